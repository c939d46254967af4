"""The benchmarks, one after the other, into bench/results.md and docs/performance.md.

Each is a process of its own, whose section is written when it ends; one that fails is named there,
and the others go on. Those that take an hour run only when they are named.
Usage: python -m bench [NAME ...]
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.harness import machine
from bench.markers import write_tables
from bench.report import performance, section, updated
from dokunuki.storage.files import atomic_write

RESULTS = Path(__file__).parent / "results.md"
PERFORMANCE = Path(__file__).parents[1] / "docs" / "performance.md"
# The cheap ones first.
BENCHMARKS = {
    "startup": [],
    "corpus": [],
    "scanning": [],
    "export": [],
    "extraction": [],
    "tables": [],
    "audit_cost": [],
    "selection": [],
    "large_selection": [],
    "trees": [],
    "scratch": [],
    "explanations": [],
    "training": ["--rounds", "2", "--threads", "2"],
    "keras": [],
    "growth": [],
}
# Each takes an hour.
LONG: dict[str, list[str]] = {"grid": [], "full_size": []}


def lines_of(name: str, arguments: list[str]) -> list[dict[str, Any]]:
    """What a benchmark prints, which is shown as it comes."""
    lines = []
    command = [sys.executable, "-m", f"bench.{name}", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            # Snakemake's own words are not ours.
            if line.startswith("{"):
                lines.append(json.loads(line))
    if process.returncode:
        lines.append({"name": name, "verdict": f"failed, exit code {process.returncode}"})
    return lines


def write(name: str, text: str) -> None:
    """Put a section into the document, and the document's bounds into docs/performance.md."""
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else ""
    document = updated(before, name, text, [*BENCHMARKS, *LONG])
    with atomic_write(RESULTS) as temporary:
        temporary.write_text(document, encoding="utf-8")
    write_tables(PERFORMANCE, {"performance": performance(document)})


def main() -> None:
    """Run them and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = {**BENCHMARKS, **LONG}
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    names = parser.parse_args().names or list(BENCHMARKS)
    if unknown := set(names) - known.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    for name in names:
        ran_on = {"date": datetime.datetime.now(datetime.UTC).date(), **machine()}
        start = time.monotonic()
        lines = lines_of(name, known[name])
        seconds = round(time.monotonic() - start)
        write(name, section(name, lines, {"seconds": seconds, **ran_on}))


if __name__ == "__main__":
    main()
