"""Which exceptions are the user's mistake, and which are bugs."""

import dis
from types import TracebackType

from scq.solvers.errors import BackendMissingError, SolveError

_RAISE = dis.opmap["RAISE_VARARGS"]
_PLACES = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError, ConnectionError)


def is_mistake(error: Exception) -> bool:
    """Whether the user can put it right: a file, package or server that is missing, an argument that we refused, or a
    solve that was told to raise when it fails.

    A ValueError, TypeError or OSError counts only when a ``raise`` statement of ours raised it. One that came out of an
    expression, or out of another package, is something that we failed to check, and its traceback is needed.
    """
    if isinstance(error, (BackendMissingError, SolveError, *_PLACES)):
        return True
    return isinstance(error, (ValueError, TypeError, OSError)) and _refused_by_us(error.__traceback__)


def _refused_by_us(traceback: TracebackType | None) -> bool:
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = traceback.tb_frame
    module = frame.f_globals.get("__name__", "").partition(".")[0]
    return module == "scq" and frame.f_code.co_code[traceback.tb_lasti] == _RAISE


def one_line(error: Exception) -> str:
    """The message without line breaks."""
    # Of an OSError with a number and no file, str is "[Errno 28] " and the message.
    said = error.strerror if isinstance(error, OSError) and error.strerror and not error.filename else str(error)
    return " ".join(said.split()) or type(error).__name__
