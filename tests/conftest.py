"""Fixtures shared by all tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from dokunuki.corpus.layout import DATA_DIRECTORIES
from ember2024_rows import raw_row_3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).resolve().parents[1]

# No test fails because the machine is busy: the time that an example takes is not what is tested.
settings.register_profile(
    "dokunuki", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("dokunuki")

# A `make` that a test starts is not told what the one was that started the tests: it would take
# ARGS=... of the latter for its own.
_MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
for _name in ("MAKEFLAGS", "MFLAGS", *re.findall(r"\$\((\w+)\)", _MAKEFILE)):
    os.environ.pop(_name, None)


def _shared(variable: str, name: str, what: str) -> Path:
    """A folder of real rows, which are not part of the repository; skips where there is none."""
    folder = Path(os.environ.get(variable, REPOSITORY.parent / "shared" / name))
    if not folder.is_dir():
        pytest.skip(f"no {what} at {folder}; set {variable} to a folder of them")
    return folder


@pytest.fixture(scope="session")
def sample_folder() -> Path:
    """736 real EMBER 2017 rows."""
    return _shared("DOKUNUKI_EMBER_SAMPLE", "ember2017-sample", "EMBER sample")


@pytest.fixture(scope="session")
def ember2018_folder() -> Path:
    """Three real EMBER 2018 rows, of feature version 2."""
    return _shared("DOKUNUKI_EMBER2018_ROWS", "ember2018-rows", "EMBER 2018 rows")


@pytest.fixture(scope="session")
def ember2024_folder() -> Path:
    """One real EMBER2024 row of feature version 3, its vector and the tables of the columns."""
    return _shared("DOKUNUKI_EMBER2024", "ember2024", "EMBER2024 row and tables")


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20170401)


def raw_row(rng: np.random.Generator, label: int, version: int = 1) -> dict:
    """One row in the release's format, easy to tell by its label but not too easy."""
    size = int(rng.integers(4_000, 400_000))
    shift = 1.0 if label == 1 else 0.6
    share = rng.gamma(shift + np.linspace(0, 1, 256) * label * 0.5, size=256)
    histogram = rng.multinomial(size, share / share.sum())
    windows = 2048 * max(1, size // 1024 - 1)
    entropy_share = rng.gamma(0.3 + 0.3 * label * np.linspace(0, 1, 256), size=256)
    printable = rng.multinomial(int(rng.integers(100, 5_000)), np.full(96, 1 / 96))
    libraries = ["KERNEL32.dll", "USER32.dll", "ADVAPI32.dll", "WS2_32.dll", "mscoree.dll"]
    chosen = rng.choice(libraries, size=int(rng.integers(1, 4)), replace=False).tolist()
    imports = {name: [f"Function{rng.integers(0, 20)}" for _ in range(5)] for name in chosen}
    sections = [
        {
            "name": name,
            "size": int(rng.integers(0, 50) * 512),
            "entropy": float(rng.uniform(3, 6 + 2 * label)),
            "vsize": int(rng.integers(1, 30_000)),
            "props": ["CNT_CODE", "MEM_EXECUTE", "MEM_READ"][: 3 if name == ".text" else 2],
        }
        for name in (".text", ".data", ".rsrc")[: int(rng.integers(1, 4))]
    ]
    row = {
        "sha256": rng.bytes(32).hex(),
        "appeared": f"2017-{rng.integers(1, 13):02d}",
        "label": label,
        "histogram": histogram.tolist(),
        "byteentropy": rng.multinomial(windows, entropy_share / entropy_share.sum()).tolist(),
        "strings": {
            "numstrings": int(rng.integers(10, 2_000)),
            "avlength": float(rng.uniform(5, 30)),
            "printabledist": printable.tolist(),
            "printables": int(printable.sum()),
            "entropy": float(rng.uniform(4, 6.5)),
            "paths": int(rng.poisson(1 - 0.5 * label)),
            "urls": int(rng.poisson(0.5 + label)),
            "registry": int(rng.poisson(0.2)),
            "MZ": int(rng.integers(1, 4)),
        },
        "general": {
            "size": size,
            "vsize": size + int(rng.integers(0, 40) * 4096),
            "has_debug": int(rng.random() < 0.6 - 0.4 * label),
            "exports": 0,
            "imports": sum(map(len, imports.values())),
            "has_relocations": int(rng.random() < 0.5),
            "has_resources": int(rng.random() < 0.8),
            "has_signature": int(rng.random() < 0.6 - 0.5 * label),
            "has_tls": int(rng.random() < 0.2),
            "symbols": 0,
        },
        "header": {
            "coff": {
                "timestamp": int(rng.integers(1_300_000_000, 1_500_000_000)),
                "machine": "I386",
                "characteristics": ["CHARA_32BIT_MACHINE", "EXECUTABLE_IMAGE"],
            },
            "optional": {
                "subsystem": "WINDOWS_GUI",
                "dll_characteristics": ["DYNAMIC_BASE"] if rng.random() < 0.5 else [],
                "magic": "PE32",
                "major_image_version": int(rng.integers(0, 7)),
                "minor_image_version": int(rng.integers(0, 3)),
                "major_linker_version": int(rng.integers(2, 15)),
                "minor_linker_version": int(rng.integers(0, 30)),
                "major_operating_system_version": int(rng.integers(4, 7)),
                "minor_operating_system_version": int(rng.integers(0, 3)),
                "major_subsystem_version": int(rng.integers(4, 7)),
                "minor_subsystem_version": int(rng.integers(0, 3)),
                "sizeof_code": int(rng.integers(1, 400) * 512),
                "sizeof_headers": 1024 if label else 512,
                "sizeof_heap_commit": 4096,
            },
        },
        "section": {"entry": ".text", "sections": sections},
        "imports": imports,
        "exports": [],
    }
    if version == 2:
        row["datadirectories"] = [
            {"name": name, "size": int(rng.integers(0, 4096)), "virtual_address": 4096}
            for name in DATA_DIRECTORIES
        ]
        row["avclass"] = ""
    return row


def write_release(folder: Path, goodware: int, malware: int, seed: int, version: int = 1) -> Path:
    """A small release in the published layout: six train files and one test file."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation([0] * goodware + [1] * malware)
    make = partial(raw_row, version=version) if version < 3 else raw_row_3
    rows = [json.dumps(make(rng, int(label))) for label in labels]
    names = [*(f"train_features_{part}.jsonl" for part in range(6)), "test_features.jsonl"]
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in zip(names, np.array_split(np.array(rows, dtype=object), 7), strict=True):
        (folder / name).write_text("\n".join(part) + "\n")
    return folder


@pytest.fixture(scope="session")
def tiny_release(tmp_path_factory) -> Path:
    """150 goodware and 190 malware rows made up by `raw_row`."""
    return write_release(tmp_path_factory.mktemp("release"), 150, 190, seed=5)


@pytest.fixture
def mount_disk(tmp_path) -> Iterator[Callable[[str], Path]]:
    """A function that mounts a disk of a given size (`1m`), to be filled up."""
    with ExitStack() as mounted:

        def mount(size: str) -> Path:
            folder = tmp_path / "disk"
            folder.mkdir()
            command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
            try:
                subprocess.run(command, capture_output=True, check=True)
            except (OSError, subprocess.CalledProcessError) as error:
                pytest.skip(f"a disk of its own needs Linux and root: {error}")
            mounted.callback(subprocess.run, ["umount", str(folder)], check=True)
            return folder

        yield mount
