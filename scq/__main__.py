"""``python -m scq``: the command line."""

import sys

from scq.cli import main

if __name__ == "__main__":
    sys.exit(main())
