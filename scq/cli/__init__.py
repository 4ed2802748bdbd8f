"""The command line ``scq``: the composition root, the one place in scq that imports validation.

Nothing here imports torch before a command needs it, so that every ``--help`` answers at once.
"""

import os
import sys
from collections.abc import Sequence

import scq
from scq.cli.commands import COMMANDS
from scq.cli.mistakes import is_mistake, one_line
from scq.cli.parsing import parse
from scq.training.terminal import print_anything

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: what stands after ``scq``; by default that of this process.

    Returns:
        The exit code: 0; 1 where ``scq doctor`` finds a backend that does not work; 2 after a user's mistake, with one
        line on stderr; 130 after Ctrl-C.

    Raises:
        SystemExit: with code 0, after ``--help``, which a call without arguments shows too.
        Exception: whatever a bug raises, so that its traceback is seen.
    """
    # Before torch starts its threads: beside another busy process those that spin take several times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    print_anything()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        print(f"scq {scq.__version__}")
        return 0
    try:
        command, config = parse(COMMANDS, arguments or ["--help"])
        if int(os.environ.get("WORLD_SIZE", "1")) > 1 and command.name != "train":
            raise ValueError(f"{command.name} is for one process, must not be started by torchrun or accelerate launch")
        return command.run(config) or 0
    except KeyboardInterrupt:
        return _end("interrupted", 130)
    except Exception as error:
        if not is_mistake(error):
            raise
        return _end(one_line(error), 2)


def _end(message: str, code: int) -> int:
    print(f"scq: {message}", file=sys.stderr)
    return code
