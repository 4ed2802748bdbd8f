"""Parametrizations of ``layer.codebook``, which is no tensor of the layer but its codebook's."""

from typing import Any

from torch import nn
from torch.nn.utils import parametrize

from scq.quantizers.codebooks import Codebook, Spherical


class Parametrizations(nn.ModuleDict):
    """What ``layer.parametrizations`` is for :mod:`torch.nn.utils.parametrize`: a view, with no state of its own, of
    those of the codewords where they are held.

    ``register_parametrization(layer, "codebook", ...)`` is then ``register_parametrization(layer.embedding,
    "codewords", ...)``. Of a codebook that computes its codewords there is nothing to parametrize, and torch says so.
    """

    def __init__(self, codebook: Codebook) -> None:
        super().__init__()
        # Past nn.Module, which would make it a part of this one.
        object.__setattr__(self, "codebook", _OfCodewords(codebook.of if isinstance(codebook, Spherical) else codebook))

    def __contains__(self, key: str) -> bool:
        return key == "codebook" and self.codebook.possible

    def __len__(self) -> int:
        return int(self.codebook.there)

    def __getitem__(self, key: str) -> "_OfCodewords":
        if key not in self:
            raise KeyError(key)
        return self.codebook


class _OfCodewords:
    """As torch's list of the parametrizations of a tensor, from before the first on."""

    def __init__(self, codebook: Codebook) -> None:
        self._codebook = codebook

    @property
    def there(self) -> bool:
        return parametrize.is_parametrized(self._codebook, "codewords")

    @property
    def possible(self) -> bool:
        return self.there or "codewords" in {*self._codebook._parameters, *self._codebook._buffers}

    def append(self, parametrization: nn.Module) -> None:
        """Called by register_parametrization, which has made its checks."""
        parametrize.register_parametrization(self._codebook, "codewords", parametrization, unsafe=True)
        self.unsafe = False

    @property
    def unsafe(self) -> bool:
        return self._codebook.parametrizations.codewords.unsafe

    @unsafe.setter
    def unsafe(self, value: bool) -> None:
        self._codebook.parametrizations.codewords.unsafe = value

    def __getitem__(self, number: int) -> nn.Module:
        return self._codebook.parametrizations.codewords[number]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codebook.parametrizations.codewords, name)
