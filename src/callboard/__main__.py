"""``python -m callboard``: the same as the command ``callboard``."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # Imported here: a worker process that draws loads this file, too, outside of the package.
    from .cli import main

    sys.exit(main())
