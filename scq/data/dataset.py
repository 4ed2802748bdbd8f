"""What training knows of a data set."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor


@dataclass(frozen=True)
class Dataset:
    """Examples for training, and held-out ones for testing: a base for data of each kind, and itself of bare tensors.

    Args:
        name: the name it was loaded by.
        train: examples for training, along the first dimension.
        test: held-out examples: never seen in training, not even in part.
        description: where they came from and what was held out, one line for the report.

    Attributes:
        kind: what the examples are; a model says which kind it takes.
    """

    kind: ClassVar[str] = "tensors"

    name: str
    train: Tensor
    test: Tensor
    description: str

    def ready(self, examples: Tensor) -> Tensor:
        """Stored examples as models take them."""
        return examples
