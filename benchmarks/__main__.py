"""`python -m benchmarks [NAME...]`: measure, print each row, and keep the table in README.md.

Without names everything is measured.  `make bench BENCH='change --hosts 1000'` passes arguments on.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Mapping

from benchmarks import (
    acme,
    certificates,
    change,
    check,
    dialects,
    dns,
    model,
    passthrough,
    rehearsal,
    save,
    start,
    table,
    throughput,
)
from benchmarks.support import Row

Program = Callable[[argparse.Namespace], Iterator[Row]]

PROGRAMS: Mapping[str, Program] = {
    "change": lambda given: change.measure(given.hosts or [1_000, 10_000, 50_000], given.times or 200),
    "save": lambda given: save.measure(given.hosts or [1_000, 10_000], given.times or 50),
    "passthrough": lambda given: passthrough.measure(given.hosts or [1_000, 10_000], given.times or 50),
    "start": lambda given: start.measure(given.hosts or [10_000], given.times or 3),
    "throughput": lambda given: throughput.measure(given.hosts or [1_000], given.times or 5),
    "dialects": lambda given: dialects.measure(given.hosts or [10_000], given.times or 5),
    "check": lambda given: check.measure(given.hosts or [1_000, 3_000, 10_000], given.times or 50),
    "acme": lambda given: acme.measure(given.hosts or [200], given.times or 3),
    "dns": lambda given: dns.measure(given.hosts or [10_000], given.times or 500),
    "certificates": lambda given: certificates.measure(given.hosts or [10_000], given.times or 200),
    "rehearsal": lambda given: rehearsal.measure(given.hosts or [30], given.times or 5),
    "model": lambda given: model.measure(given.hosts or [1_000, 10_000, 50_000], given.times or 100),
}


def main() -> int:
    """Run the named programs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("programs", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(PROGRAMS)}")
    parser.add_argument(
        "--hosts", type=int, action="append", metavar="N", help="how many hosts (rehearsal: sites); repeatable"
    )
    parser.add_argument("--times", type=int, metavar="N", help="how often to measure each")
    parser.add_argument("--no-table", action="store_true", help="do not write README.md")
    given = parser.parse_args()
    unknown = [name for name in given.programs if name not in PROGRAMS]
    if unknown:
        parser.error(f"{', '.join(unknown)}: choose from {', '.join(PROGRAMS)}")
    # What was started is ended also when we are told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for name in given.programs or PROGRAMS:
        rows = []
        for row in PROGRAMS[name](given):
            print(table.line(row), flush=True)
            rows.append(row)
        if not given.no_table:
            table.keep(name, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
