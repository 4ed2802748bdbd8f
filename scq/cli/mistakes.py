"""Which exceptions are the user's mistake, and which are bugs."""

import linecache
import traceback

from scq.solvers.errors import BackendMissingError, SolveError

_PLACES = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError, ConnectionError)


def is_mistake(error: Exception) -> bool:
    """Whether the user can put it right: a file, package or server that is missing, an argument that we refused, or a
    solve that was told to raise when it fails.

    A ValueError, TypeError or OSError counts only when a ``raise`` statement of ours raised it. One that came out of an
    expression, or out of another package, is something that we failed to check, and its traceback is needed.
    """
    if isinstance(error, (BackendMissingError, SolveError, *_PLACES)):
        return True
    return isinstance(error, (ValueError, TypeError, OSError)) and _refused_by_us(error)


def _refused_by_us(error: Exception) -> bool:
    """Whether what its traceback points at in the end is a raise statement in scq."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if not frames or frames[-1].f_globals.get("__name__", "").partition(".")[0] != "scq":
        return False
    last = traceback.extract_tb(error.__traceback__)[-1]
    return linecache.getline(last.filename, last.lineno or 0)[last.colno or 0 :].lstrip().startswith("raise ")


def one_line(error: Exception) -> str:
    """The message without line breaks."""
    # Of an OSError with a number and no file, str is "[Errno 28] " and the message.
    said = error.strerror if isinstance(error, OSError) and error.strerror and not error.filename else str(error)
    return " ".join(said.split()) or type(error).__name__
