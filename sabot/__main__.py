"""``python -m sabot``: the same as the command ``sabot``."""

from __future__ import annotations

import sys

from sabot.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
