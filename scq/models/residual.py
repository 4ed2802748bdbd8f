"""A residual block of pictures' features."""

from jaxtyping import Float
from torch import Tensor, nn


class Residual(nn.Module):
    """x + conv1x1(relu(conv3x3(relu(x))))."""

    def __init__(self, width: int, residual_width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, residual_width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(residual_width, width, 1),
        )

    def forward(self, x: Float[Tensor, "B width h w"]) -> Float[Tensor, "B width h w"]:
        return x + self.block(x)
