"""Through the weights."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from scq.quantizers.assignments.assignment import Assigned
from scq.quantizers.gradients.gradient import Gradient


class Soft(Gradient):
    """z_q = sum_k p_k c_k, the mixture itself, with the derivative that it has.

    Source: arXiv 1611.01144; arXiv 2509.22161.
    """

    name: ClassVar[str] = "soft"
    soft: ClassVar[bool] = True

    def __call__(self, assigned: Assigned) -> Float[Tensor, "N D"]:
        return assigned.source
