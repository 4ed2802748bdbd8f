"""The perceptual term of a loss, by name."""

from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from scq.perceptual.frozen import Frozen

Perceptual = Literal["lpips", "features", "none"]


class ChosenDistance:
    """A distance of pictures in [-1, 1], made when it is first needed, where the pictures are.

    It is no module: what it is made of is no part of the model that it judges, and of no checkpoint.

    Args:
        name: "lpips", with VGG16, or "features", :class:`scq.perceptual.FeatureDistance`.
        weights: of LPIPS' network: a file, or None for torch's cache and the net.

    Attributes:
        title: what its numbers are called: "lpips_vgg" or "feature_distance".
    """

    def __init__(self, name: Literal["lpips", "features"], weights: Path | None = None) -> None:
        self.title = "lpips_vgg" if name == "lpips" else "feature_distance"
        self._lpips, self._weights = name == "lpips", weights
        self._made: Frozen | None = None

    def ready(self, device: torch.device) -> Frozen:
        """
        Raises:
            ConnectionError, FileNotFoundError, ImportError, ValueError: what it needs is not here.
        """
        if self._made is None:
            self._made = self._make()
        return self._made.to(device)

    def __call__(self, x: Float[Tensor, "B 3 H W"], y: Float[Tensor, "B 3 H W"]) -> Float[Tensor, " B"]:
        return self.ready(x.device)(x, y)

    def _make(self) -> Frozen:
        if self._lpips:
            from scq.perceptual.lpips import LPIPS

            return LPIPS("vgg", self._weights)
        from scq.perceptual.features import FeatureDistance

        return FeatureDistance()
