"""The problems that a quantizer solves during training, as files: to be solved again by other solvers, or looked at."""

from pathlib import Path

from safetensors.torch import save

from scq.quantizers.calls import Call
from scq.quantizers.layout import to_rows
from scq.solvers.clock import now
from scq.training.folder import write_bytes

PROBLEMS = "problems"
"""The folder, inside that of the run."""

_COLUMNS = 4096
"""Latents of a batch that are kept, evenly spaced: 256 kB at 16 channels."""


def dump(folder: Path, step: int, call: Call) -> float:
    """Writes the problem of a quantizer at this step to ``folder/problems/step-000100.safetensors``; that of a stage or
    group, by the index of its codes, to ``step-000100-0.safetensors``.

    The file has ``latents`` (N, F), of a large batch 4,096 evenly spaced ones, and ``codebook`` (K, F); its metadata
    ``lam`` and ``step``. It appears as a whole or not at all.

    Args:
        folder: the run's.
        step: the optimiser step, whose update has not been made.
        call: of a soft convex quantizer. Latents that its mask leaves out are not written; a codebook that normalises
            them does so before they are.

    Returns:
        The seconds that it took, which are none of the training's.

    Raises:
        OSError: it cannot be written.
    """
    start, quantizer = now(call.x.device), call.place.layer
    rows = to_rows(call.x.detach(), quantizer.dim, quantizer.channel_dim)
    if call.mask is not None:
        rows = rows[call.mask.flatten()]
    rows = quantizer.embedding.enter(rows[:: -(-rows.shape[0] // _COLUMNS)])
    tensors = {"latents": rows.cpu().contiguous(), "codebook": quantizer.codebook.detach().cpu().contiguous()}
    name = "-".join([f"step-{step:06d}", *map(str, call.place.index)])
    path = folder / PROBLEMS / f"{name}.safetensors"
    path.parent.mkdir(exist_ok=True)
    # Not by save_file, whose error of a full disk is no OSError.
    write_bytes(path, save(tensors, {"lam": repr(call.lam()), "step": str(step)}))
    return now(call.x.device) - start


def dumped(folder: Path) -> list[Path]:
    """The problems in a folder of dumps, in the order of their steps; none where it is something else."""
    return sorted(folder.glob("step-*.safetensors"), key=lambda path: (len(path.name), path.name))
