"""The numbers of a step whose batch was computed in parts, by this process and by others."""

from collections.abc import Mapping

import torch
from torch import Tensor

from scq.models.base import Objective
from scq.quantizers import processes
from scq.quantizers.usage import counts, perplexity

_LARGEST = ("kkt/", "gap/kkt_", "gap/primal_")
"""Numbers that are the largest over latents; the others are means over them, or nearly so."""

_SUMMED = ("quantizer/failed_columns",)
"""Numbers of latents."""


class PooledNumbers:
    """Numbers of all parts of a batch, which are of one size, as one.

    A number is the mean over the parts, where it is a largest one the largest, where it counts latents the sum, and
    where it counts codewords (active_codes, hard_perplexity, soft_perplexity) what it is of the whole batch. Of margin,
    a median, and of cosines and ratios of the gap, it is the mean of what the parts have.

    Args:
        codebook_size: K; None without a codebook.
    """

    def __init__(self, codebook_size: int | None) -> None:
        self._parts: list[dict[str, Tensor]] = []
        self._codebook_size = codebook_size
        # Sums, not the parts' weights: those need not fit the memory together.
        self._hard: list[Tensor] = []
        self._soft: list[Tensor] = []

    def add(self, name: str, output: Objective, gap: Mapping[str, float]) -> None:
        """A part: "kkt_primal" of the quantizer's info becomes "kkt/primal", the others "quantizer/...".

        Args:
            name: of the loss.
            output: what the model made of the part.
            gap: numbers by their names in the log.
        """
        quantized, device = output.quantized, output.loss.device
        tensors = {f"train/{name}": output.loss} | {f"train/{key}": value for key, value in output.numbers.items()}
        for key, value in quantized.info.items() if quantized else ():
            tensors[f"kkt/{key[4:]}" if key.startswith("kkt_") else f"quantizer/{key}"] = value
        tensors |= {key: torch.tensor(value, dtype=torch.float64, device=device) for key, value in gap.items()}
        self._parts.append({key: value.detach().double() for key, value in tensors.items()})
        if quantized and self._codebook_size is not None:
            self._hard.append(counts(quantized.indices, self._codebook_size))
            if quantized.weights is not None:
                rows = quantized.weights.detach().reshape(-1, self._codebook_size)
                self._soft.append(rows.sum(0, dtype=torch.float64))

    def compute(self) -> dict[str, float]:
        """The numbers by name. All processes must call it at the same step."""
        names = list(self._parts[0])
        parts = processes.gathered(torch.stack([torch.stack(list(part.values())) for part in self._parts]))
        largest, summed = (
            torch.tensor([name.startswith(kind) for name in names], dtype=torch.bool, device=parts.device)
            for kind in (_LARGEST, _SUMMED)
        )
        numbers = torch.where(largest, parts.amax(0), torch.where(summed, parts.sum(0), parts.mean(0)))
        if len(parts) > 1:
            for name, value in self._usage().items():
                if name in names:
                    numbers[names.index(name)] = value
        # One transfer for all numbers: each costs a wait for the device.
        return dict(zip(names, numbers.tolist(), strict=True))

    def _usage(self) -> dict[str, Tensor]:
        usage = {}
        if self._hard:
            hard = processes.total(torch.stack(self._hard).sum(0))
            usage["quantizer/hard_perplexity"] = perplexity(hard)
            usage["quantizer/active_codes"] = (hard > 0).sum().double()
        if self._soft:
            usage["quantizer/soft_perplexity"] = perplexity(processes.total(torch.stack(self._soft).sum(0)))
        return usage
