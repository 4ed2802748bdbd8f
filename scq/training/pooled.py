"""The numbers of a step whose batch was computed in parts, by this process and by others."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from scq.models.base import Objective
from scq.quantizers import processes
from scq.quantizers.base import Quantizer
from scq.quantizers.calls import by_name
from scq.quantizers.stacked import Place, places
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
        quantizer: that quantizes the parts.
    """

    def __init__(self, quantizer: Quantizer) -> None:
        self._parts: list[dict[str, Tensor]] = []
        self._places = list(places(quantizer))
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
        for key, value in by_name(quantized.info).items() if quantized else ():
            tensors[f"kkt/{key[4:]}" if key.startswith("kkt_") else f"quantizer/{key}"] = value
        tensors |= {key: torch.full((), value, dtype=torch.float64, device=device) for key, value in gap.items()}
        self._parts.append({key: value.detach().double() for key, value in tensors.items()})
        if quantized and self._places:
            self._hard.append(torch.stack([_uses(quantized.indices, place) for place in self._places]))
            if quantized.weights is not None:
                own = [quantized.weights.detach()[(..., *place.index, slice(None))] for place in self._places]
                self._soft.append(
                    torch.stack([one.reshape(-1, one.shape[-1]).sum(0, dtype=torch.float64) for one in own])
                )

    def compute(self) -> dict[str, float]:
        """The numbers by name. All processes must call it at the same step."""
        names = list(self._parts[0])
        parts = processes.gathered(torch.stack([torch.stack(list(part.values())) for part in self._parts]))
        largest, summed = (
            torch.tensor([name.startswith(kind) for name in names], dtype=torch.bool, device="cpu").to(
                parts.device, non_blocking=True
            )
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
            usage["hard_perplexity"] = self._of_codebooks([perplexity(used) for used in hard])
            usage["active_codes"] = self._of_codebooks((hard > 0).sum(1).double())
        if self._soft:
            soft = processes.total(torch.stack(self._soft).sum(0))
            usage["soft_perplexity"] = self._of_codebooks([perplexity(mass) for mass in soft])
        return {f"quantizer/{name}": value for name, value in by_name(usage).items()}

    def _of_codebooks(self, values: Iterable[Tensor]) -> Tensor:
        """By the indices of their places."""
        found = dict(zip((place.index for place in self._places), values, strict=True))
        shape = [1 + max(numbers) for numbers in zip(*found, strict=True)]
        return torch.stack([found[index] for index in sorted(found)]).reshape(shape)


def _uses(indices: Tensor, place: Place) -> Tensor:
    """How often each codeword is chosen; -1 stands where a stage was dropped."""
    own = indices[(..., *place.index)]
    return counts(own.clamp_min(0), place.layer.codebook_size, own >= 0)
