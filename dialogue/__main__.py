"""``python -m dialogue`` is the ``onebreath`` command."""

import sys

from dialogue.cli import main

if __name__ == "__main__":
    sys.exit(main())
