"""All benchmarks, one after the other, and bench/results.md made of what they print.

Each is a process of its own; one that fails is named in the table, and the others go on. Usage:
python -m bench [NAME ...]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.harness import machine
from dokunuki.files import atomic_write

RESULTS = Path(__file__).parent / "results.md"
# The cheap ones first; the arguments keep the whole within 40 minutes on two quiet cores.
BENCHMARKS = {
    "startup": [],
    "corpus": [],
    "selection": [],
    "explanations": [],
    "training": ["--rounds", "2", "--threads", "2"],
    "keras": [],
    "growth": [],
    "grid": [],
}
INTRODUCTION = """# Benchmarks

Written by `make bench`; every line is one bound. "Ratio" is what the bound is about, in the unit
that the line names; "measured" are the two sides that it is made of. A bound that was not reached
says "missed".
"""


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


def pairs(values: dict[str, Any]) -> str:
    """Keys and values in one cell of a table."""
    return ", ".join(f"{key} {value}" for key, value in values.items())


def section(name: str, lines: list[dict[str, Any]]) -> str:
    """A benchmark's part of the document: what it ran on, its bounds, and the rest."""
    table = ["| | measured | ratio | bound | |", "|---|---|---|---|---|"]
    rules = ["| rule | jobs | seconds |", "|---|---|---|"]
    facts = ""
    for line in lines:
        if "benchmark" in line:
            facts = pairs({key: value for key, value in line.items() if key != "benchmark"})
        elif "rule" in line:
            rules.append("| {rule} | {jobs} | {seconds} |".format_map(line))
        else:
            measured = {
                key: value
                for key, value in line.items()
                if key not in {"name", "ratio", "bound", "verdict"}
            }
            cells = (line["name"], pairs(measured), line.get("ratio", ""), line.get("bound", ""))
            table.append("| " + " | ".join(map(str, (*cells, line["verdict"]))) + " |")
    text = f"\n## {name}\n\n`python -m bench.{name}`; {facts}\n\n" + "\n".join(table) + "\n"
    return text + ("\n" + "\n".join(rules) + "\n" if len(rules) > 2 else "")


def main() -> None:
    """Run them and write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
    if unknown := set(names) - BENCHMARKS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(BENCHMARKS)}")
    here = machine()
    text = f"{INTRODUCTION}\n{here['processor']}, {here['cores']} cores; Python {here['python']}\n"
    for name in names:
        text += section(name, lines_of(name, BENCHMARKS[name]))
    with atomic_write(RESULTS) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
