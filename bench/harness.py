"""What all benchmarks share: interleaved timing, and rows that say whether a bound was met.

A benchmark is a module with a `main` that measures both sides of every ratio in one process and
prints one JSON object per line through `emit`: first the machine (`machine`), then one row per
bound (`row`). Run it with `python -m bench.NAME`.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

_Side = TypeVar("_Side", bound="Hashable")

# Timings are of interest to the third digit.
_DIGITS = 4


CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


def interleaved(
    sides: Mapping[_Side, Callable[[], Any]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    *,
    warm_ups: int = 1,
) -> dict[_Side, float]:
    """Seconds of each side: the least of `rounds` runs, taken in turn, after some to warm up.

    The least, since what disturbs a run on a shared machine only ever adds to it. With one
    thread, a `clock` of CPU time also leaves out the time that others had the processor.
    """
    best = dict.fromkeys(sides, float("inf"))
    for number in range(-warm_ups, rounds):
        for name, run in sides.items():
            start = clock()
            run()
            if number >= 0:
                best[name] = min(best[name], clock() - start)
    return best


def row(
    name: str, measured: Mapping[str, float], ratio: float, bound: float, *, least: bool = True
) -> dict[str, Any]:
    """One bound: what was measured (units in the keys), the ratio, and whether it holds.

    `least` says that the ratio has to be at least the bound; else at most.
    """
    met = ratio >= bound if least else ratio <= bound
    return {
        "name": name,
        **{key: _rounded(value) for key, value in measured.items()},
        "ratio": _rounded(ratio),
        "bound": f"{'at least' if least else 'at most'} {bound:g}",
        "verdict": "met" if met else "missed",
    }


def machine(packages: Iterable[str] = (), **settings: Any) -> dict[str, Any]:  # noqa: ANN401
    """What the benchmark ran on: processor, cores, load, Python, versions, and `settings`."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
        **settings,
    }


def emit(values: Mapping[str, Any]) -> None:
    """Print one line of JSON at once."""
    print(json.dumps(values), flush=True)


def in_a_process(module: str, *arguments: str) -> dict[str, float]:
    """Run `python -m MODULE` on one thread, for its own peak of memory: its last line of JSON."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parent.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def peak_mb() -> float:
    """The peak of this process' memory in MB. That of getrusage would count its parent's too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
