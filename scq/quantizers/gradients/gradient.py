"""How a gradient passes a quantizer."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from scq.quantizers.assignments.assignment import Assigned
from scq.quantizers.checks import Named


class Gradient(Named, ABC):
    """What replaces the latents, and with which derivative.

    Attributes:
        name: as the registry has it.
        soft: True when the mixture replaces the latents, False when the codeword does.
    """

    soft: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, assigned: Assigned) -> Float[Tensor, "N D"]:
        """The quantized latents."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
