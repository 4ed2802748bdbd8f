"""Ways for a gradient to pass a quantizer, one a file."""

from scq.quantizers.gradients.gradient import Gradient
from scq.quantizers.gradients.rotation import Rotation
from scq.quantizers.gradients.soft import Soft
from scq.quantizers.gradients.straight_through import StraightThrough

__all__ = ["Gradient", "Rotation", "Soft", "StraightThrough"]
