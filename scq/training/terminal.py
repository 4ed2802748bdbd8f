"""What is said on the way: lines of any text, and whether there is a terminal on which a bar moves instead."""

import codecs
import io
import sys
from datetime import timedelta

from rich.console import Console
from rich.text import Text

_PRINTABLE = "scq.printable"
"""What the streams of a program of ours do with a character that their encoding does not have."""


def print_anything() -> None:
    """Lets this program print whatever a path may be: bytes that are no text go out as they came in, and characters
    that the terminal's encoding lacks are escaped."""
    codecs.register_error(_PRINTABLE, _printable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PRINTABLE)


def _printable(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    # Python has a byte 0xff that is no text as the character 0xdcff.
    parts = (
        bytes([ord(one) - 0xDC00]) if 0xDC80 <= ord(one) <= 0xDCFF else one.encode("ascii", "backslashreplace")
        for one in characters
    )
    return b"".join(parts), error.end


def say(text: str, style: str = "", stderr: bool = False) -> None:
    """Prints a line at once, unbroken and as it is: square brackets are no markup in it."""
    console = Console(stderr=stderr)
    file = console.file
    if getattr(file, "errors", "") != _PRINTABLE:  # of another program, whose streams are its own
        encoding = getattr(file, "encoding", None) or "utf-8"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    console.print(Text(text, style), soft_wrap=True)


def animated() -> bool:
    """Whether a progress bar is seen; in a file, a pipe or the log of a batch system it is not."""
    console = Console()
    return console.is_jupyter or (console.is_terminal and not console.is_dumb_terminal)


def duration(seconds: float) -> str:
    """As the bars have it: 0:01:30."""
    return str(timedelta(seconds=round(seconds)))
