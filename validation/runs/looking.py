"""What a trained model shows when it is looked at: held-out pictures as it makes them, its codes, and its codewords."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from scq.data.dataset import Dataset, spread
from scq.models.base import Model
from scq.quantizers.composed import ComposedQuantizer
from scq.quantizers.usage import counts
from scq.training.images import images_of
from scq.training.run import Run
from scq.validation.runs.record import OneRun

_SHOWN, _CODED, _TILES = 10, 64, 48
"""Held-out pictures to show, held-out examples whose codes are counted, and codewords to decode."""

_AT_ONCE = 8
"""Examples computed together: pictures may be large."""

_SIDE = 4
"""A codeword is decoded as if all of so many latents each way were it."""


@dataclass(frozen=True)
class Looked:
    """What there is to see of a run.

    Attributes:
        data: the name of its data; runs with the same name and originals are shown the same pictures.
        originals, made: held-out pictures and what the model makes of them; None where examples are no pictures.
        use: how many of the latents of some held-out examples have each codeword as their hard code; None without
            codewords.
        codewords: K of F channels; None without.
        tiles: the most used codewords, each decoded alone; None where the model decodes no codes of pictures.
    """

    data: str
    originals: UInt8[np.ndarray, "n H W 3"] | None
    made: UInt8[np.ndarray, "n H W 3"] | None
    use: Int[np.ndarray, " K"] | None
    codewords: Float[np.ndarray, "K F"] | None
    tiles: UInt8[np.ndarray, "k h w 3"] | None


def look_at(runs: Sequence[OneRun]) -> tuple[dict[str, Looked], list[str]]:
    """Looks at the finished runs.

    Returns:
        What is seen, by label, and a clause for each run that cannot be looked at, as where its data is not here.
    """
    seen, missing = {}, []
    for run in runs:
        try:
            config = Run(run.folder).config
            seen[run.label] = _look(Run(run.folder).model(), images_of(config))
        except (FileNotFoundError, ValueError) as error:
            missing.append(f"there are no samples of {run.label}: {error}")
    return seen, missing


@torch.no_grad()
def _look(model: Model, dataset: Dataset) -> Looked:
    pictures = dataset.kind == "pictures"
    originals = dataset.test[spread(len(dataset.test), _SHOWN)] if pictures else None
    made = None if originals is None else torch.cat([model.samples(part) for part in originals.split(_AT_ONCE)])
    use = codewords = tiles = None
    if isinstance(model.quantizer, ComposedQuantizer):
        size = model.quantizer.codebook_size
        examples = dataset.test[spread(len(dataset.test), _CODED)]
        batches = [dataset.ready(part) for part in examples.split(_AT_ONCE)]
        use = counts(torch.cat([model.encode_to_codes(batch).flatten() for batch in batches]), size)
        codewords = model.quantizer.codebook
        if pictures and hasattr(model, "decode_codes"):
            best = use.argsort(descending=True, stable=True)[:_TILES]
            codes = best[:, None, None].expand(-1, _SIDE, _SIDE)
            decoded = torch.cat([model.decode_codes(part) for part in codes.split(_AT_ONCE)])
            tiles = ((decoded + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return Looked(
        dataset.name,
        _shown(originals),
        _shown(made),
        None if use is None else use.numpy(),
        None if codewords is None else codewords.float().numpy(),
        _shown(tiles),
    )


def _shown(pictures: Tensor | None) -> np.ndarray | None:
    return None if pictures is None else pictures.permute(0, 2, 3, 1).numpy()
