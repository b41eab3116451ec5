"""``python -m tests.faults``: run the scenarios and write ``docs/fault-report.md``."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.conftest import own_broker
from tests.faults import report
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenarios import SCENARIOS


def main() -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--long", action="store_true", help="the long form; takes hours")
    parser.add_argument("--only", metavar="F1,F5", help="some scenarios; the report stays as it is")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--minutes", type=float, help="of the soak, idle and then under load")
    options = parser.parse_args()
    wanted = options.only.upper().split(",") if options.only else list(SCENARIOS)
    unknown = sorted(set(wanted) - SCENARIOS.keys())
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    print(f"seed {options.seed}", flush=True)
    outcomes: list[Outcome] = []
    with own_broker() as kafka:
        minutes = options.minutes or (30.0 if options.long else 0.5)
        lab = Lab(kafka, options.seed, options.long, minutes)
        for name in wanted:
            began = time.monotonic()
            for outcome in SCENARIOS[name](lab):
                outcomes.append(outcome)
                print(outcome, flush=True)
            print(f"      {name} took {time.monotonic() - began:.0f} s", flush=True)
    if not options.only:
        report.write(outcomes, seed=options.seed, arguments=sys.argv[1:])
        print(f"written: {report.PATH.name}")
    failed = [each.name for each in outcomes if not each.passed]
    print(f"FAILED: {', '.join(failed)}" if failed else "all passed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
