"""Distances of sets of pictures by their features, each with how many pictures and the floor."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from scq.perceptual.networks import Features, pooled_features
from scq.perceptual.torchmetrics import imported

_SUBSETS, _SUBSET = 100, 1000


class DistributionDistances(NamedTuple):
    """What :func:`distribution_distances` returns.

    Attributes:
        pictures: N, of each set.
        frechet, kernel: of the made pictures from the held-out ones.
        frechet_floor, kernel_floor: of as many training pictures from them: what pictures have that are as real as
            those. Reconstructions of the held-out pictures themselves may come below it.
    """

    pictures: int
    frechet: float
    frechet_floor: float
    kernel: float
    kernel_floor: float


@torch.no_grad()
def distribution_distances(
    made: Iterable[UInt8[Tensor, "_ 3 _ _"]],
    held_out: Iterable[UInt8[Tensor, "_ 3 _ _"]],
    train: Iterable[UInt8[Tensor, "_ 3 _ _"]],
    features: Features | None = None,
) -> DistributionDistances:
    r"""Frechet and kernel distance of the features of pictures.

        Frechet = ||m - n||^2 + tr(S + T - 2 (S T)^(1/2))
        kernel  = squared maximum mean discrepancy with k(a, b) = (a . b / d + 1)^3

    with means m, n and covariances S, T of the d features. With those of :func:`scq.perceptual.inception` they are FID
    and KID; with those of EfficientNet-Lite0 they are not, and must not be called so.

    The Frechet distance falls with N, about as 1/N: it is compared at the same N only, and N should be several times d.
    The floor shows what is left of it for real pictures. The kernel distance has no such bias, and more noise; it is
    the mean over 100 subsets of 1,000 pictures, or of all where there are fewer.

    Args:
        made: 8-bit pictures, in batches.
        held_out: as many real ones.
        train: as many training pictures, for the floor.
        features: of 8-bit pictures; None for :func:`pooled_features`.

    Raises:
        ValueError: fewer than 2 pictures, or sets of different sizes.

    Source: Heusel et al. 2017, arXiv 1706.08500; Binkowski et al. 2018, arXiv 1801.01401; computed by torchmetrics.
    """
    network = features or pooled_features()
    return of_features(*(features_of(network, pictures) for pictures in (made, held_out, train)))


def features_of(network: Features, pictures: Iterable[UInt8[Tensor, "_ 3 _ _"]]) -> Float[Tensor, "N F"]:
    """The features of all of them, in float64 on the CPU."""
    found = [network(batch).double().cpu() for batch in pictures]
    return torch.cat(found) if found else torch.empty(0, 1, dtype=torch.float64)


def of_features(
    made: Float[Tensor, "_ F"], held_out: Float[Tensor, "_ F"], train: Float[Tensor, "_ F"]
) -> DistributionDistances:
    """:func:`distribution_distances` of features that are there already."""
    number = len(held_out)
    for name, found in (("made", made), ("held_out", held_out), ("train", train)):
        if len(found) != number or number < 2:
            raise ValueError(f"{name} has {len(found)} pictures, held_out {number}, must be as many, and 2 or more")
    return DistributionDistances(
        number, _frechet(made, held_out), _frechet(train, held_out), _kernel(made, held_out), _kernel(train, held_out)
    )


class _Given(nn.Module):
    """Features that are there already, as the network that torchmetrics asks for them."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.num_features = number

    def forward(self, features: Tensor) -> Tensor:
        return features


def _frechet(made: Tensor, real: Tensor) -> float:
    metric = imported("torchmetrics.image.fid").FrechetInceptionDistance(_Given(made.shape[1]), sync_on_compute=False)
    metric.update(real, real=True)
    metric.update(made, real=False)
    return float(metric.compute())


def _kernel(made: Tensor, real: Tensor) -> float:
    module = imported("torchmetrics.image.kid")
    # Not its class, which warns of keeping the features that are here already.
    size, subsets = (_SUBSET, _SUBSETS) if len(made) > _SUBSET else (len(made), 1)
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(subsets):
        a, b = (x[torch.randperm(len(x), generator=generator)[:size]] for x in (made, real))
        found.append(module.poly_mmd(a, b))
    return float(torch.stack(found).mean())
