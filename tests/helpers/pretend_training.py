"""Training on the pretend device, against the CPU: a step, its logging, evaluation, the gap and the monitor; the fused
solve, which is one launch there; and checks that nobody waits for. Cases of on_pretend_device.py.
"""

import copy
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from mixed_precision import scaled_steps
from pretend_device import DEVICE, Counts, Pretend, counted
from tiny_runs import TINY, few
from torch import Tensor, nn

import scq
from scq import quantizers, solvers
from scq.diagnostics import gap_of
from scq.solvers.deferred import of_step
from scq.solvers.instance import Instance, Result
from scq.solvers.methods import active_set
from scq.solvers.registry import get, register, unregister
from scq.solvers.synthetic import hull
from scq.solvers.weights import Weights
from scq.training import TrainConfig
from scq.training.model import build_model
from scq.training.run import Run
from scq.training.step import Step

CPU = torch.device("cpu")
PAIRS = ("before", "skipped"), ("skipped", "after")
FREE = 3
"""Places that the fused solve leaves unused, as it must: their number is fixed before anything is solved."""


def _opaque(problem: Instance, *, tol: float, max_iter: int | None = None) -> Result:
    """What the CPU's kernel finds, as a single launch that the host does not wait for."""
    held = problem._map(lambda x: x.held if isinstance(x, Pretend) else x)
    result = active_set.solve(held, tol=tol, max_iter=max_iter)
    if held is problem or not isinstance(problem.latents, Pretend):
        return result
    weights = result.weights
    values, index = (nn.functional.pad(x, (0, FREE)) for x in (weights.values, weights.index))
    return Result(
        Weights(Pretend(values), Pretend(index), weights.codewords),
        Pretend(result.status),
        Pretend(result.iterations),
        certified=True,
    )


@contextmanager
def fused() -> Iterator[None]:
    """With the default backend as it is where its kernel runs: launched, and not looked at."""
    info = get("active_set")
    unregister(info.name)
    register(replace(info, run=_opaque))
    try:
        yield
    finally:
        unregister(info.name)
        register(info)


def exact() -> list[quantizers.QuantizerInfo]:
    """The quantizers that have it."""
    return [x for x in quantizers.entries() if x.convex and x.make(15, 4).assignment.backend == "active_set"]


def steps(quantizer: str, spent: Callable[[Counts], dict], differing: Callable[..., list[str]]) -> dict[str, Any]:
    """Three steps of the training loop's own kind, the second counted, the third logged, and an evaluation."""
    config = TrainConfig(quantizer=quantizer, seed=3, **TINY)
    dataset = few("photos")
    batches = [dataset.train[4 * i : 4 * i + 4].float() / 255 - 0.5 for i in range(3)]
    results, costs = [], {}
    for device in (CPU, DEVICE):
        model = build_model(config).to(device).train()
        model.meet(dataset)
        # With a large eps: Adam's own makes rounding as large as anything where gradients are near 0.
        optimizers = {"loss": torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-2)}
        with tempfile.TemporaryDirectory() as folder:
            accelerator = Accelerator(cpu=True, device_placement=False)
            advance = Step(config, accelerator, model, optimizers, device, Run(Path(folder)))
            advance(batches[0], 1, logged=False)
            with counted(device) as counts:
                advance(batches[1], 2, logged=False)
            costs["training"] = spent(counts)
            with counted(device) as counts:
                numbers = advance(batches[2], 3, logged=True)
            costs["logged"] = spent(counts)
        numbers = {name: value for name, value in numbers.items() if not name.startswith("time/")}
        numbers.pop("quantizer/iterations", None)
        with counted(device):
            tested = model.evaluate(dataset.test)
        told = {name: torch.tensor(value, dtype=torch.float64, device=device) for name, value in numbers.items()}
        told |= {f"test {name}": torch.tensor(x, dtype=torch.float64, device=device) for name, x in tested.items()}
        results.append(told | dict(model.state_dict()))
    # On the tensor path it is another method than the CPU's: weights of 1e-6 are counted here and not there.
    return {"differs": differing(results[1], results[0], 2e-2 if quantizer == "scq" else 1e-3), **costs}


def gap(spent: Callable[[Counts], dict], differing: Callable[..., list[str]]) -> dict[str, Any]:
    """The gap of a model, and what the monitor records of a loop."""
    config = TrainConfig(quantizer="scq", seed=3, **TINY)
    dataset = few("photos")
    batch = dataset.train[:4].float() / 255 - 0.5
    results, costs = [], {}
    for device in (CPU, DEVICE):
        model = build_model(config).to(device).train()
        model.meet(dataset)
        with counted(device) as counts:
            numbers = gap_of(model, batch.to(device), config)
        costs["gap"] = spent(counts)
        with counted(device) as counts, scq.Monitor(model) as monitor:
            model(batch.to(device))
        costs["monitor"] = spent(counts)
        history = {f"monitor {name}": values[0] for name, values in monitor.history.items()}
        numbers = {name: x for name, x in (numbers | history).items() if "seconds" not in name and "iterat" not in name}
        results.append({name: torch.tensor(x, dtype=torch.float64, device=device) for name, x in numbers.items()})
    return {"differs": differing(results[1], results[0], 1e-3), **costs}


def precision(differing: Callable[..., list[str]]) -> dict[str, Any]:
    """Steps with a scaled loss, and a layer under autocast, which must not reach it."""
    found: dict[str, Any] = {}
    for name in ("scq", "scq_relaxed", "vq"):
        with counted(DEVICE):
            ours = scaled_steps(name, DEVICE)
        found[name] = differing(ours, scaled_steps(name, CPU), 1e-4)
        found[f"{name} skipped"] = [torch.equal(*(ours[x].cpu() for x in pair)) for pair in PAIRS]
        torch.manual_seed(0)
        layer, x = quantizers.get(name).make(15, 4).eval(), torch.randn(20, 4)
        there, given = copy.deepcopy(layer).to(DEVICE), x.to(DEVICE)
        # The device has no operator under autocast: what a layer let it reach would raise.
        with counted(DEVICE), torch.autocast(DEVICE.type, torch.bfloat16):
            output = there(given)
        expected = layer(x)
        parts = ("quantized", "indices", "loss")
        found[f"{name} autocast"] = differing(
            *({part: getattr(one, part).detach() for part in parts} for one in (output, expected)), 1e-5
        )
    return found


def refused() -> dict[str, Any]:
    """What becomes of values that are not what they must be: what is raised, by which call, and the waits before."""
    found: dict[str, Any] = {}

    def raised(call: Callable[[], object]) -> str:
        try:
            call()
        except (RuntimeError, ValueError) as error:
            return f"{type(error).__name__}: {error}"
        return "nothing"

    with counted(DEVICE):
        latents, codebook = (x.to(DEVICE) for x in hull(6, 4, 5, torch.float32))
        broken = codebook.clone()
        broken[3, 1] = torch.nan

        def problem(book: Tensor = codebook, **options: Any) -> solvers.Problem:
            return solvers.Problem(latents, book, **options)

        for backend in ("active_set", "interior_point", "relaxed"):
            at_once = raised(lambda backend=backend: solvers.solve(problem(broken), backend))
            with of_step(7):
                solution = solvers.solve(problem(broken), backend, throw=False)
            numbers = bool(torch.isfinite(solution.reconstruction).any())
            found[backend] = [at_once, numbers, bool(solution.failed.all()), raised(problem), raised(problem)]
        for name, wrong in {
            "lam": {"lam": torch.full((), -1.0, dtype=torch.float64, device=DEVICE)},
            "numbers": {"anchor": torch.full((6,), 5, dtype=torch.long, device=DEVICE)},
            "simplex": {"anchor": torch.full((6, 5), 0.3, dtype=torch.float32, device=DEVICE)},
        }.items():
            with counted(DEVICE) as counts:
                problem(**wrong)
            found[name] = [counts.waits.total(), raised(problem)]
        layer = scq.SoftConvexQuantizer(5, 4, backend="relaxed").to(DEVICE)
        with torch.no_grad():
            layer.codebook[2] = torch.inf
        quantized = layer(latents).quantized
        found["layer"] = [bool(torch.isfinite(quantized).any()), raised(lambda: layer(latents))]
        found["after them"] = raised(lambda: solvers.solve(problem()))
    return found


def tiny() -> dict[str, Any]:
    """Columns of a solve at a lam that float64 does not resolve: which statuses there are, and the waits."""
    found: dict[str, Any] = {}
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    with counted(DEVICE):
        latents = torch.tensor([[0.4, -0.1], [-0.1, -0.1]], dtype=torch.float64).to(DEVICE)
        for name, scale, lam in (("long codewords", 1e6, 0.1), ("small lam", 1.0, 1e-13)):
            with counted(DEVICE) as counts:
                problem = solvers.Problem(scale * latents, scale * corners.to(DEVICE), lam)
                solution = solvers.solve(problem, tol=1e-6, throw=False)
            asked = sum(number for line, number in counts.waits.items() if "failing.py" in line)
            found[name] = [solution.status.tolist(), asked]
    return found
