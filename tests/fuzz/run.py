"""Fuzz one reader for some seconds: `python tests/fuzz/run.py TARGET --seconds 60`.

Sound files are changed in a few places and read. A finding is whatever the reader may not do: raise
something that is no message to the user, write outside of its folder, use the network, start a
program, take a gigabyte more than before or half a minute of processor time. The smallest change
that does it is shown, and its input is left in build/fuzz. The status is 1 for a finding, and that
of a signal where a reader in C died. A reader that hangs ends it with a traceback.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from fuzz.targets import REFUSALS, TARGETS  # noqa: E402

if TYPE_CHECKING:
    from fuzz.targets import Seed, Target

MOST_SECONDS = 30.0  # of processor time, which a busy machine does not change
HANGS_AFTER = 600  # by the clock
LEAST_INPUTS = 20
MORE_MEMORY = 1 << 30
# What parsers of text, numbers and lengths stumble over.
TOKENS = (
    *(b"", b"\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff" * 8, b"\0" * 8, b"\xf0\x9f"),
    *(b"null", b"true", b"NaN", b"-1", b"1e999", b"-0.0", b"9" * 40, b"1_0", b"{}", b"[]", b'""'),
    *(b"[" * 3000, b'{"a":' * 2000, b"../../x", b"/etc/passwd", b"\xed\xa0\x80", b"\\ud800"),
    *(b"\r\n", b",", b'"', b"&a [*a]", b"!!python/object/apply:os.system [id]", b"\xef\xbb\xbf"),
)


@dataclass(frozen=True)
class Change:
    """A change at a share of the file's length: `length` bytes there give way to `content`."""

    where: float
    length: int
    content: bytes

    def of(self, data: bytes) -> bytes:
        """The changed content."""
        start = int(self.where * len(data))
        return data[:start] + self.content + data[start + self.length :]


CONTENTS = st.one_of(
    st.sampled_from(TOKENS),
    st.binary(max_size=8),
    st.integers(0, 255).map(lambda byte: bytes([byte])),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: str(number).encode()),
    st.sampled_from((1, 2, 4, 8)).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
)
# As much as comes, or another length: what stands behind keeps its place in the first case.
CHANGES = st.one_of(
    st.builds(lambda where, new: Change(where, len(new), new), st.floats(0, 1), CONTENTS),
    # Headers stand at the start, and so do most of what a parser believes.
    st.builds(lambda where, new: Change(where, len(new), new), st.floats(0, 0.05), CONTENTS),
    st.builds(Change, st.floats(0, 1), st.sampled_from((0, 1, 4, 64, 1 << 30)), CONTENTS),
)


class _Guard:
    """Notes what Python code does outside of a folder; readers in C are out of its sight."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.broken = ""
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple) -> None:
        if self.folder is None:
            return
        if event.startswith("socket.") and event != "socket.gethostname":
            self.broken = f"{event} {arguments[1:]}"
        elif event in ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "os.fork"):
            self.broken = f"{event} {arguments[:2]}"
        elif event in ("pickle.find_class", "marshal.loads"):
            # Modules that are imported late come out of marshal too, out of caches of ours.
            self.broken = self.broken if event == "marshal.loads" else f"{event} {arguments}"
        elif event in ("os.rename", "os.mkdir", "os.symlink", "os.link", "os.remove", "os.rmdir"):
            self._written(event, arguments[0])
        elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            mode, flags = arguments[1] or "", arguments[2] or 0
            if set(str(mode)) & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._written(event, arguments[0])

    def _written(self, event: str, path: str | bytes | os.PathLike) -> None:
        folder = self.folder
        target = Path(os.fsdecode(path)).absolute()
        allowed = (folder, Path(tempfile.gettempdir()), Path("/dev"))
        is_cache = target.suffix == ".pyc" or ".pyc." in target.name or "__pycache__" in str(target)
        if not is_cache and not any(target.is_relative_to(place) for place in allowed if place):
            self.broken = f"{event} {target}"


def _processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    return sum(os.times()[:4])


class FindingError(Exception):
    """A reader did what it may not do."""


class Fuzzer:
    """Reads changed inputs of one target, in a folder of its own."""

    def __init__(self, name: str, work: Path) -> None:
        self.name = name
        self.target: Target = TARGETS[name]
        (work / "seeds").mkdir()
        self.seeds: list[Seed] = list(self.target.seeds(work / "seeds"))
        self.work = work / "input"
        self.guard = _Guard()
        self.examples = self.taken = 0
        self.slowest = 0.0
        for each in self.seeds:  # which are sound
            self.target.read(each.folder)
        self.base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def read(
        self, origin: Seed, file: str, changes: tuple[Change, ...], repair: bool = True
    ) -> None:
        """Read a seed with changes in one of its files; raises FindingError."""
        folder = self.work / origin.folder.name
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(origin.folder, folder)
        for change in changes:
            content = change.of((folder / file).read_bytes())
            (folder / file).write_bytes(content)
        if changes and repair:
            self.target.repair(folder / file)
        self.examples += 1
        start = _processor_seconds()
        faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
        self.guard.broken, self.guard.folder = "", self.work
        try:
            self.target.read(folder)
            self.taken += 1
        except REFUSALS as error:
            if not str(error):
                raise FindingError("a refusal without a message") from error
        except Exception as error:
            raise FindingError(self.guard.broken or repr(error)) from error
        finally:
            self.guard.folder = None
            faulthandler.cancel_dump_traceback_later()
        if self.guard.broken:
            raise FindingError(self.guard.broken)
        seconds = _processor_seconds() - start
        self.slowest = max(self.slowest, seconds)
        if seconds > MOST_SECONDS:
            raise FindingError(f"took {seconds:.0f} s of processor time")

    def round(self, number: int, examples: int, until: float) -> None:
        """Read some changed inputs; ends early, without more of them, when the time is over."""
        files = [(each, file) for each in self.seeds for file in each.files]

        @seed(number)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        )
        @given(
            st.sampled_from(range(len(files))),
            st.lists(CHANGES, min_size=1, max_size=4),
            st.sampled_from((True, True, True, False)),
        )
        def changed(place: int, changes: list[Change], repair: bool) -> None:
            # Some in any case, however slow the machine is.
            if time.monotonic() < until or self.examples < LEAST_INPUTS:
                self.read(*files[place], tuple(changes), repair)

        changed()

    def facts(self, seconds: float) -> dict:
        """What it did, for docs/security.md."""
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self.base
        return {
            "target": self.name,
            "inputs": self.examples,
            "taken": self.taken,
            "seconds": round(seconds),
            "processor_seconds": round(_processor_seconds()),
            "slowest_seconds": round(self.slowest, 2),
            "memory_grown_mib": round(grown / 1024),
        }


def limit_memory() -> None:
    """No more address space than a gigabyte above what is there."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MORE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    """Fuzz one target; 1 for a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ["HOME"] = "/nonexistent"
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        (Path(folder) / "fuzz").mkdir()
        tempfile.tempdir = str(Path(folder) / "fuzz")
        fuzzer = Fuzzer(asked.target, Path(folder))
        limit_memory()
        start = time.monotonic()
        number, found = asked.seed, None
        try:
            while time.monotonic() < start + asked.seconds or number == asked.seed:
                fuzzer.round(number, 200, start + asked.seconds)
                number += 1
        except BaseException as error:
            found = error
            kept = ROOT / "build" / "fuzz" / asked.target
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(fuzzer.work, kept)
            print(f"FINDING, its input is in {kept}", file=sys.stderr)
            import traceback

            traceback.print_exception(error, limit=-8)
        print(json.dumps(fuzzer.facts(time.monotonic() - start)))
    return 0 if found is None else 1


if __name__ == "__main__":
    sys.exit(main())
