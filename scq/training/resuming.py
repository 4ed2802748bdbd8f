"""Words for the moment that something ends early: what there is by then, and how to go on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from shlex import quote

from scq.solvers import plugins
from scq.training.terminal import say

WHOLE: ContextVar[str | None] = ContextVar("the command that goes on with the whole", default=None)
"""Of what the run is a part of; None for a run of its own."""


def command(name: str, folder: Path) -> str:
    """What is typed to go on with a folder."""
    own = "".join(f" --import {module}" for module in plugins.named())
    return f"scq {name} --resume {quote(str(folder))}{own}"


@contextmanager
def part_of(whole: str) -> Iterator[None]:
    """Runs inside are parts of something larger: what they say of how to go on is its command."""
    token = WHOLE.set(whole)
    try:
        yield
    finally:
        WHOLE.reset(token)


@contextmanager
def interruptible(whole: str, so_far: Callable[[], str]) -> Iterator[None]:
    """Says once, after Ctrl-C, what there is and how to go on with the whole, not with the part that was under way.

    Args:
        whole: the command that goes on; what is inside of another one says nothing.
        so_far: what there is by then, in words.
    """
    if WHOLE.get() is not None:
        yield
        return
    try:
        with part_of(whole):
            yield
    except KeyboardInterrupt:
        say(f"Interrupted; {so_far()}; to go on from there: {whole}")
        raise
