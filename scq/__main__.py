"""``scq`` and ``python -m scq``: the command line, or what to install for it."""

import sys

from scq.extras import MissingExtraError, missing, need


def main() -> int:
    """Runs the command of this process. The exit code is that of :func:`scq.cli.main`, or 2 without an extra."""
    try:
        if missing("train"):
            need("train", "report")
        from scq.cli import main as command_line

        return command_line()
    except MissingExtraError as error:
        print(f"scq: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
