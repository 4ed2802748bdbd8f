"""Files to the codes of a trained model, and back: what ``scq encode`` and ``scq decode`` do.

Names are imported when first used, so that the command line needs no torch.
"""

from typing import TYPE_CHECKING, Any

from scq.solvers.lazy import offered

if TYPE_CHECKING:
    from scq.codes.decoding import Decoded, decode
    from scq.codes.encoding import Encoded, encode

_LAZY = {
    "Decoded": "scq.codes.decoding",
    "Encoded": "scq.codes.encoding",
    "decode": "scq.codes.decoding",
    "encode": "scq.codes.encoding",
}

__all__ = ["Decoded", "Encoded", "decode", "encode"]


def __getattr__(name: str) -> Any:
    return offered("scq.codes", _LAZY, name)


def __dir__() -> list[str]:
    return sorted(__all__)
