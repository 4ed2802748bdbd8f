"""The discriminator of a VQGAN, and the losses that it and the generator are trained with."""

from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

GeneratorTerm = Literal["hinge", "non_saturating"]


class PatchDiscriminator(nn.Module):
    """Tells for each patch of a picture whether it is real: a logit, above 0 for real ones.

    ``layers`` convolutions of stride 2 and two of stride 1, all 4 x 4, with LeakyReLU of 0.2 between them; all but the
    first and the last are followed by batch normalisation. Widths double up to eight times the first. Weights are drawn
    from N(0, 0.02^2).

    Batch normalisation is by the statistics of the batch at hand, in evaluation too: of real and made pictures apart,
    and of each process's part.

    Args:
        layers: convolutions of stride 2, at least 1.
        width: channels of the first.

    Raises:
        ValueError: pictures that are too small; at the first pass.

    Source: Isola et al. 2017, arXiv 1611.07004, as taming-transformers has it (modules/discriminator/model.py).
    """

    def __init__(self, layers: int = 3, width: int = 64) -> None:
        super().__init__()
        widths = [width * min(2**n, 8) for n in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for number, (before, after) in enumerate(pairwise(widths), 1):
            stride = 2 if number < layers else 1
            parts += [
                nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(after, track_running_stats=False),
                nn.LeakyReLU(0.2),
            ]
        parts.append(nn.Conv2d(widths[-1], 1, 4, stride=1, padding=1))
        self.main = nn.Sequential(*parts)
        self.smallest = 3 * 2**layers
        """Height and width that a picture has at least."""
        for part in parts:
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, 0.0, 0.02)
            elif isinstance(part, nn.BatchNorm2d):
                nn.init.normal_(part.weight, 1.0, 0.02)

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1 h w"]:
        """Logits, of pictures in [-1, 1]."""
        if min(pictures.shape[2:]) < self.smallest:
            raise ValueError(
                f"pictures are {pictures.shape[2]} x {pictures.shape[3]}, must be at least {self.smallest} x "
                f"{self.smallest} for so many layers of the discriminator"
            )
        return self.main(pictures)


def discriminator_loss(real: Float[Tensor, "..."], made: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """The hinge loss, (mean max(0, 1 - D(x)) + mean max(0, 1 + D(made))) / 2.

    Source: Lim and Ye 2017, arXiv 1705.02894.
    """
    return 0.5 * (relu(1 - real).mean() + relu(1 + made).mean())


def generator_term(made: Float[Tensor, "..."], kind: GeneratorTerm) -> Float[Tensor, ""]:
    """What makes the discriminator's logits of made pictures larger: -mean D(made) (hinge), or
    mean log(1 + exp(-D(made))) (non_saturating).

    Source: arXiv 1705.02894; Goodfellow et al. 2014, arXiv 1406.2661.
    """
    return -made.mean() if kind == "hinge" else softplus(-made).mean()


def adaptive_weight(
    made: Tensor, last: Tensor, of_reconstruction: Tensor, of_generator: Tensor, largest: float
) -> Float[Tensor, ""]:
    r"""The weight of the generator's term by which both terms pull at the last layer alike.

        w = ||d reconstruction / d W|| / (||d generator / d W|| + 1e-4),   at most ``largest``

    Args:
        made: the pictures, by their graph.
        last: W, the weight of the decoder's last layer.
        of_reconstruction, of_generator: the gradients of the two terms with respect to ``made``.
        largest: the clamp.

    Source: Esser et al. 2021, arXiv 2012.09841, Eq. 7; the clamp is taming-transformers'.
    """
    first, second = (
        torch.autograd.grad(made, last, gradient, retain_graph=True)[0].float().norm()
        for gradient in (of_reconstruction, of_generator)
    )
    return (first / (second + 1e-4)).clamp(0, largest)
