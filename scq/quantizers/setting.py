"""What a layer and one of its parts both have."""

from collections.abc import Callable
from typing import Any

from torch import nn


class Setting:
    """A setting of a part, as an attribute of the layer.

    Args:
        part: of the layer.
        name: what the part calls it, where it does otherwise.
    """

    def __init__(self, part: Callable[[Any], Any], name: str = "") -> None:
        self._part, self._name = part, name

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = self._name or name

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        return self if layer is None else getattr(self._part(layer), self._name)

    def __set__(self, layer: Any, value: Any) -> None:
        part = self._part(layer)
        # A schedule is a module, in whose place torch takes no number.
        if isinstance(getattr(part, self._name, None), nn.Module) and not isinstance(value, nn.Module):
            delattr(part, self._name)
        setattr(part, self._name, value)
