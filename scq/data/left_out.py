"""Files that cannot be read, and what is done about them. Imports no torch."""

import warnings
from collections.abc import Iterable
from typing import Literal

OnBadFile = Literal["refuse", "skip"]


class LeftOut:
    """The files that could not be read.

    Args:
        on_bad_file: "refuse" ends with the first one, "skip" warns of each once, and counts them.
    """

    def __init__(self, on_bad_file: OnBadFile) -> None:
        if on_bad_file not in ("refuse", "skip"):
            raise ValueError(f"on_bad_file is {on_bad_file!r}, must be refuse or skip")
        self.on_bad_file: OnBadFile = on_bad_file
        self.reasons: dict[str, None] = {}

    def note(self, reasons: Iterable[str]) -> None:
        """
        Args:
            reasons: each begins with the file.

        Raises:
            ValueError: bad files are refused.
        """
        for reason in reasons:
            if self.on_bad_file == "refuse":
                raise ValueError(f"{reason}; on_bad_file skip leaves such files out")
            if reason not in self.reasons:
                self.reasons[reason] = None
                warnings.warn(f"left out: {reason}", stacklevel=2)
