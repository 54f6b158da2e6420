"""``python -m callboard``: the same as the command ``callboard``."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":  # A worker process that draws imports this module, too.
    sys.exit(main())
