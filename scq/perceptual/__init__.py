"""How alike pictures look, and how alike sets of pictures are, each number under its own name.

LPIPS and FID are called so only where the published networks compute them. What comes with a package,
EfficientNet-Lite0, gives a ``feature_distance`` and distances of its features. Names are imported when first used.
"""

from typing import TYPE_CHECKING, Any

from scq.extras import need
from scq.solvers.lazy import offered

if TYPE_CHECKING:
    from scq.perceptual.distances import DistributionDistances, distribution_distances
    from scq.perceptual.features import FeatureDistance, PooledFeatures
    from scq.perceptual.lpips import LPIPS
    from scq.perceptual.networks import inception

_LAZY = {
    "LPIPS": "scq.perceptual.lpips",
    "DistributionDistances": "scq.perceptual.distances",
    "FeatureDistance": "scq.perceptual.features",
    "PooledFeatures": "scq.perceptual.features",
    "distribution_distances": "scq.perceptual.distances",
    "inception": "scq.perceptual.networks",
}

__all__ = [
    "LPIPS",
    "DistributionDistances",
    "FeatureDistance",
    "PooledFeatures",
    "distribution_distances",
    "inception",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        need("train")
    return offered("scq.perceptual", _LAZY, name)


def __dir__() -> list[str]:
    return sorted(__all__)
