"""LPIPS: the learned perceptual distance of pictures, with the published heads and backbones."""

from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scq.perceptual.frozen import Frozen, check_pair, unit
from scq.perceptual.torchmetrics import lpips_heads
from scq.perceptual.weights import Published, loaded, published, torch_load

Net = Literal["vgg", "alex"]

_BACKBONES = {
    "vgg": Published("the VGG16 that LPIPS is computed with", "vgg16-397923af.pth", 528),
    "alex": Published("the AlexNet that LPIPS is computed with", "alexnet-owt-7be5be79.pth", 233),
}

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Mean and deviation of ImageNet's colours, for pictures in [-1, 1]."""


class LPIPS(Frozen):
    r"""The learned perceptual image patch similarity, version 0.1.

        d(x, y) = sum_l mean over places of  w_l . (u_l(x) - u_l(y))^2

    with u_l the features of layer l of a network that was trained on ImageNet, of length 1 at each place, and w_l >= 0
    learned from people's judgements. The heads w come with torchmetrics; the network is downloaded once, or read from a
    file.

    By custom scores are those of "alex", and networks are trained with "vgg". It was made with patches of 64 x 64; of
    much smaller pictures the last layers see one or two places.

    Args:
        net: "vgg" (VGG16) or "alex" (AlexNet).
        weights: the file ``vgg16-397923af.pth`` or ``alexnet-owt-7be5be79.pth``; None for torch's cache, where it is
            downloaded to with its checksum (528 and 233 MB).

    Raises:
        ValueError: another net, or a file that holds something else.
        FileNotFoundError: no such file.
        ConnectionError: the weights are not here and cannot be downloaded; the message says how to get them.

    Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
    arXiv 1801.03924; heads and scaling of github.com/richzhang/PerceptualSimilarity (BSD-2).
    """

    def __init__(self, net: Net = "vgg", weights: Path | str | None = None) -> None:
        super().__init__()
        if net not in _BACKBONES:
            raise ValueError(f"net is {net!r}, must be one of: {', '.join(_BACKBONES)}")
        self.net = net
        self.features = nn.Sequential(*_LAYERS[net]())
        path = None if weights is None else Path(weights)
        state = published(_BACKBONES[net], path)
        own = {name.removeprefix("features."): value for name, value in state.items() if name.startswith("features.")}
        loaded(self.features, own, f"'{path}'" if path else _BACKBONES[net].url)
        self.heads = nn.ParameterList(_heads(net))
        self.register_buffer("shift", torch.tensor(_SHIFT)[:, None, None])
        self.register_buffer("scale", torch.tensor(_SCALE)[:, None, None])
        self.freeze()

    def forward(self, x: Float[Tensor, "B 3 H W"], y: Float[Tensor, "B 3 H W"]) -> Float[Tensor, " B"]:
        """The distance of each pair, of pictures in [-1, 1].

        Raises:
            ValueError: no pictures, or of different shapes.
        """
        check_pair(x, y)
        both = torch.cat([x, y])
        total = both.new_zeros(len(x))
        for features, head in zip(self._tapped((both - self.shift) / self.scale), self.heads, strict=True):
            first, second = unit(features).chunk(2)
            total = total + ((first - second).square() * head).sum(1).mean((1, 2))
        return total

    def _tapped(self, x: Tensor) -> list[Tensor]:
        tapped = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in _TAPS[self.net]:
                tapped.append(x)
        return tapped


_TAPS = {"vgg": (3, 8, 15, 22, 29), "alex": (1, 4, 7, 9, 11)}
"""The layers that are looked at, by their numbers in torchvision's ``features``, as the published weights have them."""


def _vgg() -> list[nn.Module]:
    layers: list[nn.Module] = []
    width = 3
    for block in ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)):
        if layers:
            layers.append(nn.MaxPool2d(2, 2))
        for wider in block:
            layers += [nn.Conv2d(width, wider, 3, padding=1), nn.ReLU()]
            width = wider
    return layers


def _alex() -> list[nn.Module]:
    return [
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    ]


_LAYERS: dict[str, Any] = {"vgg": _vgg, "alex": _alex}


def _heads(net: str) -> list[Tensor]:
    """The weight of each channel of each layer, (C, 1, 1)."""
    state = torch_load(lpips_heads(net))
    return [state[f"lin{number}.model.1.weight"][0] for number in range(len(_TAPS[net]))]
