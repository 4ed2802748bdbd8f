"""What trained models do to held-out pictures: the swap test, and reconstructions to look at."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from scq.data.dataset import Examples, spread
from scq.models.base import Model
from scq.programme import swap_solver
from scq.training import load_run
from scq.training.folder import write_bytes
from scq.training.tensors import read_tensors, serialised

PICTURES = "pictures.safetensors"
ORIGINAL = "original"

_SHOWN = 10
_SWAPPED = ("exact", "relaxed")


def swap_test(
    folder: Path, tests: Mapping[str, Mapping[str, float]], images: Examples, device: torch.device
) -> list[dict[str, Any]]:
    """Each trained model of soft convex quantization with its own solver and with the other's.

    Same weights, same pictures: the difference is what the solver does at test time. Against the difference between the
    two trained models it tells whether the relaxation hurts the answer or the training.

    Args:
        folder: of the paired runs.
        tests: the test metrics of the finished methods, each with its own solver.
        images: held-out pictures.
        device: to evaluate on.

    Returns:
        One dict for each pair: trained, tested (both names of methods), test (the metrics).
    """
    pairs = []
    for trained in _SWAPPED:
        if trained not in tests:
            continue
        for tested in _SWAPPED:
            own = tested == trained
            test = tests[trained] if own else swapped(folder / trained).to(device).evaluate(images)
            pairs.append({"trained": trained, "tested": tested, "test": dict(test)})
    return pairs


def swapped(folder: Path) -> Model:
    """The trained model of a run, with the other solver."""
    config, model = load_run(folder)
    swap_solver(model.quantizer, config)
    return model


@torch.no_grad()
def save_pictures(folder: Path, models: Mapping[str, Model], images: Examples) -> None:
    """Writes some held-out pictures, spread evenly over ``images``, and every model's reconstruction of them."""
    originals = images[spread(len(images), _SHOWN)]
    pictures = {ORIGINAL: originals.contiguous()}
    for method, model in models.items():
        pictures[method] = model.samples(originals).contiguous()
    write_bytes(folder / PICTURES, serialised(pictures))


def load_pictures(folder: Path) -> dict[str, UInt8[Tensor, "n 3 H W"]]:
    """What :func:`save_pictures` wrote: the originals, and the reconstructions by method.

    Raises:
        ValueError: the file is truncated, or holds something else.
    """
    pictures = read_tensors(folder / PICTURES)
    for name, x in pictures.items():
        if x.dtype != torch.uint8 or x.dim() != 4 or x.shape[1] != 3:
            raise ValueError(f"'{folder / PICTURES}' has {name} {tuple(x.shape)} {x.dtype}, must be (n, 3, H, W) uint8")
    return pictures
