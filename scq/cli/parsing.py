"""From arguments to a command and its configuration, with mistakes as one line instead of tyro's box."""

import contextlib
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Union

import tyro

from scq.cli import settings_file
from scq.cli.commands import Command
from scq.cli.grouping import grouped, options_of, regrouped, takes_file, without_use
from scq.solvers import plugins
from scq.solvers.suggestions import did_you_mean

_DESCRIPTION = "Soft Convex Quantization: exact and relaxed solvers, training with both, and the measured gap."


def parse(commands: Sequence[Command], arguments: Sequence[str]) -> tuple[Command, Any]:
    """The command that the arguments name, and its configuration. The modules that they name are imported first.

    Raises:
        ValueError: a module cannot be imported; the file of settings is none; the arguments are wrong, and the message
            is tyro's, without its decoration; or they are others than those that the folder to resume was begun with.
        SystemExit: with code 0, after help was printed.
    """
    plugins.name_modules(_values(arguments, "import"))
    read = _from_file(commands, arguments)
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            command, options = _cli(commands, arguments, *read)
    except SystemExit as end:
        if not end.code:
            raise
        # Again, on a terminal so wide that nothing is wrapped: a path broken in two could not be put together.
        with contextlib.suppress(SystemExit), contextlib.redirect_stderr(stderr := io.StringIO()), _wide():
            _cli(commands, arguments, *read)
        raise ValueError(_plain(stderr.getvalue(), commands, arguments)) from None
    preset = getattr(options, "preset", None)
    if preset is not None and getattr(options, "resume", None) is None:
        if read:
            raise ValueError(f"preset is {preset!r}, must not be given with config: both are in place of the defaults")
        command, options = _cli(commands, arguments, command, command.preset(preset))
    config = regrouped(command.config, options)
    defaults = command.defaults(config)
    if defaults is not None:
        if read:
            raise ValueError(f"resume is '{config.resume}', which has its settings, so that config must not be given")
        command, options = _cli(commands, arguments, command, defaults)
        config = regrouped(command.config, options)
        command.check(config, defaults)
    return command, config


def _values(arguments: Sequence[str], option: str) -> list[str]:
    """What stands after each of an option, in any of the two ways to write it."""
    given = list(arguments)
    after = [value for name, value in pairwise(given) if name == f"--{option}"]
    return after + [one.removeprefix(f"--{option}=") for one in given if one.startswith(f"--{option}=")]


def _from_file(
    commands: Sequence[Command], arguments: Sequence[str]
) -> tuple[()] | tuple[Command, Any, dict[str, Any]]:
    """The command, its defaults, and what a file that the arguments name has in place of them; nothing without one."""
    files = _values(arguments, "config")
    command = next((one for one in commands if one.name in arguments[:1] and takes_file(one.config)), None)
    if command is None or not files:
        return ()
    return command, command.config(), settings_file.read(Path(files[-1]), command.config)


def _cli(
    commands: Sequence[Command],
    arguments: Sequence[str],
    begun: Command | None = None,
    defaults: Any = None,
    read: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Command, Any]:
    """
    Args:
        commands: all there are.
        arguments: of the command line.
        begun: the command whose defaults are others.
        defaults: those; of its configuration.
        read: settings in place of them.
    """
    kinds = {command.name: grouped(command.config, _hidden(command, arguments, read)) for command in commands}

    def choice(command: Command) -> Any:
        kind = kinds[command.name]
        default = regrouped(kind, defaults, **read) if command is begun else tyro.MISSING_NONPROP
        return Annotated[kind, tyro.conf.subcommand(command.name, description=command.title, default=default)]

    # Of groups, options are called by their own name: --steps, not --optimiser.steps.
    flat = (tyro.conf.OmitArgPrefixes,)
    union: Any = Union.__getitem__(tuple(map(choice, commands)))
    options = tyro.cli(union, prog="scq", description=_DESCRIPTION, args=arguments, config=flat)
    return next(command for command in commands if type(options) is kinds[command.name]), options


def _hidden(command: Command, arguments: Sequence[str], read: Mapping[str, Any]) -> set[str]:
    """The settings that the help leaves out."""
    if command.name not in arguments[:1] or not {"-h", "--help"} & {*arguments}:
        return set()
    given = {name: values[-1] for name in _DECISIVE if (values := _values(arguments, name))}
    return without_use({name: read[name] for name in _DECISIVE if name in read} | given, command.fixed)


_DECISIVE = ("quantizer", "model", "data")
"""Settings that others apply to."""


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
