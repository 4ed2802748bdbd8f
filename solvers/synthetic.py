"""Problems from a seed, the same wherever they are solved: in tests, benchmarks and comparisons."""

import torch
from jaxtyping import Float
from torch import Tensor

_WEIGHTS_AT_ONCE = 2**26
"""At K = 65,536 the weights of a batch at once are gigabytes."""


def hull(
    N: int, F: int, K: int, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu", seed: int = 0
) -> tuple[Float[Tensor, "N F"], Float[Tensor, "K F"]]:
    """Codewords N(0, 0.3^2); latents convex combinations of them, with weights uniform^60 normalised, so that few
    count, plus N(0, 0.03^2). Drawn in float64 on the CPU."""
    generator = torch.Generator("cpu").manual_seed(seed)
    codebook = 0.3 * torch.randn(K, F, generator=generator, dtype=torch.float64, device="cpu")
    latents = torch.empty(N, F, dtype=torch.float64, device="cpu")
    for rows in latents.split(max(1, _WEIGHTS_AT_ONCE // K)):
        weights = torch.rand(rows.shape[0], K, generator=generator, dtype=torch.float64, device="cpu").pow_(60)
        weights /= weights.sum(1, keepdim=True)
        rows.copy_(weights @ codebook)
    latents += 0.03 * torch.randn(N, F, generator=generator, dtype=torch.float64, device="cpu")
    return latents.to(device, dtype), codebook.to(device, dtype)
