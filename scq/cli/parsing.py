"""From arguments to a command and its configuration, with mistakes as one line instead of tyro's box."""

import contextlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any, Union

import tyro

from scq.cli.commands import Command
from scq.cli.grouping import grouped, options_of, regrouped, without_use
from scq.solvers import plugins
from scq.solvers.suggestions import did_you_mean

_DESCRIPTION = "Soft Convex Quantization: exact and relaxed solvers, training with both, and the measured gap."


def parse(commands: Sequence[Command], arguments: Sequence[str]) -> tuple[Command, Any]:
    """The command that the arguments name, and its configuration. The modules that they name are imported first.

    Raises:
        ValueError: a module cannot be imported; the arguments are wrong, and the message is tyro's, without its
            decoration; or they are others than those that the folder to resume was begun with.
        SystemExit: with code 0, after help was printed.
    """
    plugins.name_modules(_modules(arguments))
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            command, options = _cli(commands, arguments)
    except SystemExit as end:
        if not end.code:
            raise
        # Again, on a terminal so wide that nothing is wrapped: a path broken in two could not be put together.
        with contextlib.suppress(SystemExit), contextlib.redirect_stderr(stderr := io.StringIO()), _wide():
            _cli(commands, arguments)
        raise ValueError(_plain(stderr.getvalue(), commands, arguments)) from None
    config = regrouped(command.config, options)
    defaults = command.defaults(config)
    if defaults is not None:
        command, options = _cli(commands, arguments, command, defaults)
        config = regrouped(command.config, options)
        command.check(config, defaults)
    return command, config


def _modules(arguments: Sequence[str]) -> list[str]:
    """What stands after each --import."""
    after = [value for option, value in pairwise(arguments) if option == "--import"]
    return after + [argument.removeprefix("--import=") for argument in arguments if argument.startswith("--import=")]


def _cli(
    commands: Sequence[Command], arguments: Sequence[str], resumed: Command | None = None, defaults: Any = None
) -> tuple[Command, Any]:
    hidden = without_use(arguments)
    kinds = {command.name: grouped(command.config, hidden) for command in commands}

    def choice(command: Command) -> Any:
        kind = kinds[command.name]
        default = regrouped(kind, defaults) if command is resumed else tyro.MISSING_NONPROP
        return Annotated[kind, tyro.conf.subcommand(command.name, description=command.title, default=default)]

    # Of groups, options are called by their own name: --steps, not --optimiser.steps.
    flat = (tyro.conf.OmitArgPrefixes,)
    union: Any = Union.__getitem__(tuple(map(choice, commands)))
    options = tyro.cli(union, prog="scq", description=_DESCRIPTION, args=arguments, config=flat)
    return next(command for command in commands if type(options) is kinds[command.name]), options


@contextlib.contextmanager
def _wide() -> Iterator[None]:
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "10000"
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if columns is not None:
            os.environ["COLUMNS"] = columns


_CHOICE = re.compile(r"invalid choice '(.*?)' for argument .*?\. Expected one of \((.*)\)")
_UNKNOWN = re.compile(r"Unrecognized options: (\S+?)(,|;|$)")


def _plain(box: str, commands: Sequence[Command], arguments: Sequence[str]) -> str:
    """What a box of tyro's says: its first paragraph, the commands there are, and the name most like a wrong one.

    The box is drawn with lines (and its title in the upper one), or with blanks and hyphens where the terminal's
    encoding has no lines (and its title is a paragraph).
    """
    lines = [line.strip("│ ") for line in box.splitlines() if line[:1] not in ("╭", "╰")]
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if set(line) in ({"─"}, {"-"}):
            paragraphs.append([])
        elif line:
            paragraphs[-1].append(line)
    if "╭" not in box:
        del paragraphs[0]
    said = " ".join(paragraphs[0]) if paragraphs else ""
    for heading, *_ in paragraphs[1:]:
        if heading.startswith("Available subcommands"):
            said += f"; {heading[0].lower()}{heading[1:]}"
    if wrong := _CHOICE.search(said):
        said = said.removesuffix(".") + did_you_mean(wrong[1], re.findall(r"'(.*?)'", wrong[2]))
    elif wrong := _UNKNOWN.match(said):
        mine = next((options_of(one.config) for one in commands if one.name in arguments[:1]), None)
        said += did_you_mean(wrong[1], [one.name for one in commands] if mine is None else mine)
    return said or "the arguments are wrong; see scq --help"
