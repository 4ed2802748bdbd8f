"""Which pictures stand for all of them."""

import torch


def spread(available: int, wanted: int) -> torch.Tensor:
    """Numbers of at most ``wanted`` items, evenly over those available."""
    return torch.linspace(0, available - 1, min(available, wanted)).round().long()
