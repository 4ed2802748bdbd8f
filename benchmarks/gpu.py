"""What a solve and a training step cost on a GPU, against plain VQ and the relaxation of the same run.

`make gpu` runs it; with ``--look`` it only says whether there is a GPU.

Each size has random latents near the codebook's hull, and trained ones: patches of the photographs, reduced to F
components, and a codebook that was trained on them by exact SCQ (or the latents of a run, named by SCQ_LATENTS).
"""

import math
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from common import LAM, Round, plain_relaxation, plain_vq, run, together, write
from rich.progress import track
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import mse_loss, unfold

from scq import SoftConvexQuantizer, data, solvers
from scq.data import to_float
from scq.solvers.instance import Instance, Result
from scq.solvers.methods.active_set import solve_by_tensors
from scq.solvers.registry import get, register
from scq.solvers.synthetic import hull
from scq.training import TrainConfig, build_model
from scq.validation.common.measuring.timing import Repeated, in_turns

PAGE = Path(__file__).parents[1] / "docs" / "gpu.md"
DEVICE = "cuda"
SIZES = ((8192, 16, 128), (8192, 64, 512), (65536, 64, 1024), (2048, 256, 1024))
DTYPES = ("float32", "bfloat16")
BATCHES = (128, 1024)
REPEATS, FITTED, WARM, STEPS = 7, 300, 3, 15
"""Turns of a function in a round; steps in which a codebook is trained; steps of a model that count, after some that do
not."""

VQ, EAGER, EXACT = "plain VQ", "relaxation, plain code, eager", "exact SCQ"
MB = 2**20

Loss = Callable[[Tensor, Tensor], Tensor]
"""From latents and codebook to what is differentiated."""


def trained(N: int, F: int, K: int) -> tuple[Tensor, Tensor]:
    """Latents and codebook as training leaves them."""
    if "SCQ_LATENTS" in os.environ:
        file = load_file(os.environ["SCQ_LATENTS"])
        latents, codebook = (file[name].float().to(DEVICE) for name in ("latents", "codebook"))
        if codebook.shape == (K, F) and len(latents) >= N:
            return latents[:N], codebook
    side = math.ceil((F / 3) ** 0.5)
    pictures = to_float(data.load("photos").train[: -(-N // (33 - side) ** 2)].to(DEVICE))
    patches = unfold(pictures, side).movedim(1, 2).flatten(0, 1)[:N]
    latents = (patches - patches.mean(0)) @ torch.linalg.eigh(patches.T.cov()).eigenvectors[:, -F:]
    latents = latents / latents.std()
    layer = SoftConvexQuantizer(K, F, LAM, init="kmeans", return_weights=False).to(DEVICE)
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-2)
    for _ in range(FITTED):
        optimizer.zero_grad()
        layer(latents[torch.randint(N, (min(N, 4096),), device=DEVICE)]).loss.backward()
        optimizer.step()
    return latents, layer.codebook.detach()


def _by_tensors(problem: Instance, *, tol: float, max_iter: int | None = None) -> Result:
    limit = torch.full_like(problem.anchor, max_iter or 1000)
    weights, steps, residual = solve_by_tensors(problem, tol, limit)
    status = torch.where(residual <= tol, int(solvers.Status.SOLVED), int(solvers.Status.MAX_ITER))
    return Result(weights, status, steps, certified=True)


def solved(backend: str, **options: Any) -> Loss:
    def loss(latents: Tensor, codebook: Tensor) -> Tensor:
        problem = solvers.Problem(latents, codebook, LAM)
        return solvers.solve(problem, backend, throw=False, **options).reconstruction.square().sum()

    return loss


def _vq(latents: Tensor, codebook: Tensor) -> Tensor:
    return (codebook.index_select(0, plain_vq(latents.detach(), codebook.detach())) - latents).square().sum()


def _relaxation(latents: Tensor, codebook: Tensor) -> Tensor:
    latents, codebook = latents.float(), codebook.float()
    return (plain_relaxation(latents, codebook) @ codebook).square().sum()


def methods() -> dict[str, Loss]:
    """What is compared, by name."""
    known = {info.name for info in solvers.backends()}
    if "active_set_by_tensors" not in known:
        register(replace(get("active_set"), name="active_set_by_tensors", run=_by_tensors))
    found = {
        VQ: _vq,
        EAGER: _relaxation,
        "relaxation, plain code, compiled": torch.compile(_relaxation),
        "relaxation of scq": solved("relaxed"),
        EXACT: solved("active_set"),
        f"{EXACT}, tensor path": solved("active_set_by_tensors"),
    }
    if DEVICE == "cuda" and get("moreau").available:
        import moreau

        if moreau.device_available("cuda"):
            if "moreau_on_cuda" not in known:
                register(replace(get("moreau"), name="moreau_on_cuda", devices=("cuda",)))
            found["Moreau on CUDA"] = solved("moreau_on_cuda", solver="auto", gradient="native")
    return found


def timed(latents: Tensor, codebook: Tensor) -> dict[str, dict[str, float]]:
    """Of each method: milliseconds forward, and with the derivatives in latents and codebook; the most memory that
    these take beside what was there, in MB; and the largest relative KKT residual of exact weights."""

    def forward(loss: Loss) -> Callable[[], object]:
        return torch.no_grad()(lambda: loss(latents, codebook))

    def both(loss: Loss) -> Callable[[], object]:
        def work() -> None:
            z, c = latents.clone().requires_grad_(), codebook.clone().requires_grad_()
            loss(z, c).backward()

        return work

    found: dict[str, dict[str, float]] = {}
    works: dict[str, Callable[[], object]] = {}
    for name, loss in methods().items():
        found[name] = dict.fromkeys(("forward", "both", "memory", "relative"), math.nan)
        try:
            forward(loss)(), both(loss)()
            found[name]["memory"] = peak(both(loss))
        except torch.OutOfMemoryError:
            # It needs more than this card has: said by a dash.
            torch.cuda.empty_cache()
            continue
        works |= {f"{name}|forward": forward(loss), f"{name}|both": both(loss)}
    for key, seconds in in_turns(works, REPEATS, torch.device(DEVICE)).items():
        name, part = key.split("|")
        found[name][part] = 1e3 * statistics.median(seconds)
    solution = solvers.solve(solvers.Problem(latents, codebook, LAM), gradient="none", throw=False)
    found[EXACT]["relative"] = float(solution.residuals.relative.max())
    return found


def peak(work: Callable[[], object]) -> float:
    """MB that the work allocates at most; NaN where nobody counts them."""
    if DEVICE != "cuda":
        return math.nan
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    return (torch.cuda.max_memory_allocated() - before) / MB


def training(batch_size: int) -> dict[str, dict[str, float]]:
    """Milliseconds of a step of the autoencoder, and the most memory that it takes."""
    images = data.load("photos")
    pictures = to_float(images.train[torch.arange(batch_size) % len(images.train)].to(DEVICE))

    def stepping(quantizer: str) -> Callable[[], None]:
        model = build_model(TrainConfig(quantizer=quantizer)).to(DEVICE).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

        def step() -> None:
            optimizer.zero_grad()
            output = model(pictures)
            (mse_loss(output.reconstruction, pictures) / images.variance + output.quantized.loss).backward()
            optimizer.step()

        return step

    works = {name: stepping(one) for name, one in ((VQ, "vq"), (EXACT, "scq"), ("relaxation of scq", "scq_relaxed"))}
    seconds = in_turns(works, STEPS, torch.device(DEVICE), warm=WARM)
    return {
        name: {"step": 1e3 * statistics.median(seconds[name]), "memory": peak(work)} for name, work in works.items()
    }


def measure() -> Round:
    torch.manual_seed(0)
    found: Round = {}
    for size in track(SIZES, "sizes"):
        for kind, (latents, codebook) in {"random": hull(*size, torch.float32), "trained": trained(*size)}.items():
            for dtype in DTYPES:
                given = (x.to(DEVICE, getattr(torch, dtype)) for x in (latents, codebook))
                for name, numbers in timed(*given).items():
                    found[f"{', '.join(map(str, size))}|{kind}|{dtype}|{name}"] = numbers
    for batch_size in BATCHES:
        found |= {f"{batch_size}|{name}": numbers for name, numbers in training(batch_size).items()}
    return found


def publish(rounds: list[Round]) -> None:
    found = {key: {name: _known(value) for name, value in own.items()} for key, own in together(rounds).items()}
    rows, steps = [], []
    for key, own in found.items():
        *where, name = key.split("|")
        vq, eager = (found["|".join([*where, base])] for base in (VQ, EAGER)) if len(where) > 1 else (None, None)
        if vq is None or eager is None:
            base = found[f"{where[0]}|{VQ}"]
            steps.append([where[0], name, own["step"], _over(own["step"], base["step"]), own["memory"]])
            continue
        ratios = [_over(own[part], base[part]) for base in (vq, eager) for part in ("forward", "both")]
        rows.append([*where, name, own["forward"], own["both"], *ratios, own["memory"], own["relative"]])
    headings = ("N, F, K", "latents", "input", "method", "forward, ms", "forward + backward, ms", "/ VQ, forward")
    headings += ("/ VQ, both", "/ eager relaxation, forward", "/ eager relaxation, both", "peak, MB", "relative KKT")
    notes = (
        f"{card()} lam {LAM}; in each round medians of {REPEATS} turns, and ratios of one round. A dash: it does not "
        "apply, or the card has not enough memory. *Plain code* is the relaxation as everyone writes it, m = 20."
    )
    write("gpu", "Solves on a GPU", headings, rows, notes, page=PAGE)
    headings = ("batch", "quantizer", "ms a step", "/ plain VQ", "peak, MB")
    notes = (
        f"{card()} The autoencoder with its standard settings, float32, forward, backward and Adam; in each round "
        f"medians of {STEPS} steps in turns after {WARM}."
    )
    write("gpu_training", "A training step on a GPU", headings, steps, notes, page=PAGE)


def card() -> str:
    """The name of the GPU and what drives it, in a sentence."""
    if DEVICE != "cuda":
        return f"Not on a GPU: on the {DEVICE}."
    properties = torch.cuda.get_device_properties(0)
    return (
        f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, compute capability {properties.major}."
        f"{properties.minor}; CUDA {torch.version.cuda or torch.version.hip}."
    )


def _known(value: Repeated) -> Repeated | str:
    return "-" if any(map(math.isnan, value.values)) else value


def _over(value: Repeated | str, base: Repeated | str) -> Repeated | str:
    return "-" if isinstance(value, str) or isinstance(base, str) else value.over(base)


if __name__ == "__main__":
    if not torch.cuda.is_available():
        sys.exit(f"No GPU that torch can use (torch {torch.__version__}): nothing was run.")
    if sys.argv[1:] != ["--look"]:
        run(measure, publish)
