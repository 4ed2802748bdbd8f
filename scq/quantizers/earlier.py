"""States of layers as earlier versions saved them."""

from typing import Any

_NOW = {
    "codebook": "embedding.codewords",
    "codebook_initialized": "embedding.initialized",
    "unscaled": "embedding.of",
    "lam": "assignment.lam",
    **{name: f"embedding.{name}" for name in ("cluster_size", "coordinates", "basis", "scale")},
    **{name: f"embedding.{name}" for name in ("project_in", "project_out", "parametrizations")},
}
"""By the first part of a name before 0.2, when the layer held the tensors of its codebook."""


def renamed(state: dict[str, Any], prefix: str) -> None:
    """Gives what was saved before 0.2 the names that a quantizer with a codebook has now, in place.

    Args:
        state: of a layer, or of a model that has it.
        prefix: of the layer's names.
    """
    for key in [key for key in state if key.startswith(prefix)]:
        first, _, rest = key.removeprefix(prefix).partition(".")
        if first == "cluster_sum" or rest == "cluster_sum":
            del state[key]  # follows from the codewords and their counts
        elif first in _NOW:
            now = f"{prefix}{_NOW[first]}"
            if first in ("unscaled", "parametrizations"):
                rest = ".".join("codewords" if part == "codebook" else part for part in rest.split("."))
            state[f"{now}.{rest}" if rest else now] = state.pop(key)
