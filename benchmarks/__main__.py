"""``python -m benchmarks``: run job "flag", the only one so far."""

from __future__ import annotations

import sys

from benchmarks.flag.run import main

sys.exit(main())
