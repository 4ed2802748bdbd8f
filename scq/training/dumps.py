"""The problems that a quantizer solves during training, as files: to be solved again by other solvers, or looked at."""

from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from scq.quantizers.base import Quantizer
from scq.quantizers.layout import to_rows
from scq.quantizers.soft_convex import SoftConvexQuantizer
from scq.solvers.clock import now
from scq.training.folder import write_bytes

PROBLEMS = "problems"
"""The folder, inside that of the run."""

_COLUMNS = 4096
"""Latents of a batch that are kept, evenly spaced: 256 kB at 16 channels."""


def dump(folder: Path, step: int, quantizer: Quantizer, latents: Tensor, lam: float) -> float:
    """Writes this step's problem to ``folder/problems/step-000100.safetensors``.

    The file has ``latents`` (N, F), of a large batch 4,096 evenly spaced ones, and ``codebook`` (K, F); its metadata
    ``lam`` and ``step``. It appears as a whole or not at all.

    Args:
        folder: the run's.
        step: the optimiser step, whose update has not been made.
        quantizer: a soft convex one, whose codebook it is.
        latents: as the quantizer gets them; a codebook that normalises them does so before they are written.
        lam: with which it solved them.

    Returns:
        The seconds that it took, which are none of the training's.

    Raises:
        OSError: it cannot be written.
    """
    assert isinstance(quantizer, SoftConvexQuantizer)
    start = now(latents.device)
    rows = to_rows(latents.detach(), quantizer.dim, quantizer.channel_dim)
    rows = quantizer.embedding.enter(rows[:: -(-rows.shape[0] // _COLUMNS)])
    tensors = {"latents": rows.cpu().contiguous(), "codebook": quantizer.codebook.detach().cpu().contiguous()}
    path = folder / PROBLEMS / f"step-{step:06d}.safetensors"
    path.parent.mkdir(exist_ok=True)
    # Not by save_file, whose error of a full disk is no OSError.
    write_bytes(path, save(tensors, {"lam": repr(lam), "step": str(step)}))
    return now(latents.device) - start


def dumped(folder: Path) -> list[Path]:
    """The problems in a folder of dumps, in the order of their steps; none where it is something else."""
    return sorted(folder.glob("step-*.safetensors"), key=lambda path: (len(path.name), path.name))
