"""The straight-through estimator."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from scq.quantizers.assignments.assignment import Assigned
from scq.quantizers.gradients.gradient import Gradient


class StraightThrough(Gradient):
    """z_q = sg(c_k) + (s - sg(s)): the codeword forward; backward as if the source s stood there, the latent or its
    mixture.

    Written so, and not as s + sg(c_k - s), it is the codeword bit for bit: latents with the same code are equal.

    Source: arXiv 1711.00937, section 3.2; with a mixture, arXiv 1611.01144, section 2.2.
    """

    name: ClassVar[str] = "straight_through"

    def __call__(self, assigned: Assigned) -> Float[Tensor, "N D"]:
        source = assigned.source
        return assigned.codeword.detach() + (source - source.detach())
