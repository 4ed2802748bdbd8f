"""Codewords that are moving averages of the latents assigned to them."""

from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scq.quantizers import processes
from scq.quantizers.checks import nonnegative
from scq.quantizers.codebooks.codebook import Codebook
from scq.solvers.finite import finite_rows

_SMOOTHING = 1e-5
"""Of the counts, so that no codeword is divided by 0; the reference code's."""


class EMA(Codebook):
    r"""Each codeword is the average of the latents that chose it, over recent training steps.

        n_k <- d n_k + (1 - d) |S_k|,   m_k <- d m_k + (1 - d) sum of z over S_k,   c_k = m_k / n~_k

    with S_k the latents of the step whose nearest codeword is k, d the decay, and n~_k = sum(n) (n_k + e) /
    (sum(n) + K e), e = 1e-5. It starts at n_k = 1. The step is quantized with the codewords before it. The sums are not
    kept: m_k is n~_k c_k, so that a codeword that is put somewhere else is what its average goes on from.

    A codeword is dead when n_k is below ``revive_below`` times their mean. It takes the place of a latent of the step,
    another one for each, and n_k becomes that mean. With fewer latents than dead codewords the rest wait for the next
    step.

    Latents that are not finite are left out. Of fp16, gradient scaling skips a step that has them; an average would
    never recover.

    Sums and counts are those of all processes of a distributed run, and the latents for dead codewords come from all
    of them in turn, so that the codebook is the same everywhere.

    Args:
        decay: d, from 0 to 1.
        revive_below: share of the mean count; 0 revives nothing.

    Buffers:
        codewords: c (K, F).  cluster_size: n (K,).

    Source: arXiv 1711.00937, appendix A.1, with the smoothing of its reference code; the revival as arXiv 2005.00341
    has it, with a threshold relative to uniform use.
    """

    name: ClassVar[str] = "ema"
    trained: ClassVar[bool] = False
    codewords: Tensor
    cluster_size: Tensor

    def __init__(self, decay: float = 0.99, revive_below: float = 0.1) -> None:
        super().__init__()
        self.decay, self.revive_below = nonnegative("decay", decay), nonnegative("revive_below", revive_below)
        for name in ("decay", "revive_below"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be from 0 to 1")

    def install(self, start: Float[Tensor, "K F"]) -> None:
        self.register_buffer("codewords", start)
        self.register_buffer("cluster_size", torch.ones(start.shape[0]))

    def forward(self) -> Float[Tensor, "K F"]:
        return self.codewords

    def restart(self, codewords: Float[Tensor, "K F"]) -> None:
        super().restart(codewords)
        self.cluster_size.fill_(1.0)

    @torch.no_grad()
    def observe(
        self, latents: Float[Tensor, "N F"], indices: Int[Tensor, " N"], valid: Bool[Tensor, " N"] | None
    ) -> None:
        latents, K = latents.detach(), self.codewords.shape[0]
        counted = finite_rows(latents)
        if valid is not None:
            counted = counted & valid
        # where, not a product: NaN times 0 is NaN.
        latents = torch.where(counted[:, None], latents, 0.0)
        counts = latents.new_zeros(K).index_add_(0, indices, counted.to(latents.dtype))
        sums = latents.new_zeros(self.codewords.shape).index_add_(0, indices, latents)
        candidates, there = _candidates(latents, counted, K)
        # One exchange for everything: each is a wait for the slowest process.
        shared = processes.total(torch.cat([counts[:, None], there[:, None], sums, candidates], 1))
        counts, there, sums, candidates = shared.split([1, 1, latents.shape[1], latents.shape[1]], 1)

        before = self.cluster_size.to(counts.dtype)
        sums_before = self.codewords.to(sums.dtype) * _smoothed(before)[:, None]
        size = torch.lerp(counts[:, 0], before, self.decay)
        averages = torch.lerp(sums, sums_before, self.decay) / _smoothed(size)[:, None]

        uniform = size.mean()
        dead = size < self.revive_below * uniform
        slot = (dead.cumsum(0) - 1).clamp_min(0)
        revived = dead & (there[slot, 0] > 0)
        # where, not an index of the dead: what happens depends on no number that a compiled graph would have to read.
        fresh = candidates[slot]
        self._put("codewords", torch.where(revived[:, None], fresh, averages))
        self.cluster_size.copy_(torch.where(revived, uniform, size))

    def extra_repr(self) -> str:
        return f"decay={self.decay}, revive_below={self.revive_below}"

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        if f"{prefix}codewords" in state_dict and f"{prefix}cluster_size" not in state_dict:
            # Codewords alone are a start.
            state_dict[f"{prefix}cluster_size"] = torch.ones_like(self.cluster_size)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _smoothed(size: Float[Tensor, " K"]) -> Float[Tensor, " K"]:
    return size.sum() * (size + _SMOOTHING) / (size.sum() + size.shape[0] * _SMOOTHING)


def _candidates(
    latents: Float[Tensor, "N F"], valid: Bool[Tensor, " N"], K: int
) -> tuple[Float[Tensor, "K F"], Float[Tensor, " K"]]:
    """K slots, of which every process fills its share with random latents, no latent twice, and 1 where it did.

    Slots of other processes, and those for which there is no latent, are 0.
    """
    rank, world = processes.number()
    N = latents.shape[0]
    if N == 0:
        return latents.new_zeros(K, latents.shape[1]), latents.new_zeros(K)
    slots = torch.arange(K, device=latents.device)
    order = torch.rand(N, dtype=torch.float32, device=latents.device).masked_fill(~valid, 2.0).argsort()
    mine = (slots % world == rank) & (slots // world < valid.sum())
    taken = latents[order[(slots // world).clamp_max(N - 1)]]
    return torch.where(mine[:, None], taken, 0.0), mine.to(latents.dtype)
