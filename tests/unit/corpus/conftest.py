"""Small releases made up for a test: rows of the right form, and the three layouts on disk."""

from __future__ import annotations

import bz2
import copy
import hashlib
import io
import json
import pickle
import tarfile

import numpy as np
import pytest

from dokunuki.corpus import scanning
from dokunuki.corpus.vectoriser import vectorise

ROW = {
    "sha256": "",
    "appeared": "2017-11",
    "label": 0,
    "histogram": [4, 2] + [0] * 253 + [2],
    "byteentropy": [1] * 256,
    "strings": {
        "numstrings": 2,
        "avlength": 8.5,
        "printabledist": [3, 1] + [0] * 94,
        "printables": 4,
        "entropy": 0.8125,
        "paths": 0,
        "urls": 1,
        "registry": 2,
        "MZ": 3,
    },
    "general": {
        "size": 14848,
        "vsize": 32768,
        "has_debug": 0,
        "exports": 1,
        "imports": 3,
        "has_relocations": 1,
        "has_resources": 0,
        "has_signature": 1,
        "has_tls": 0,
        "symbols": 5,
    },
    "header": {
        "coff": {
            "timestamp": 1510903278,
            "machine": "I386",
            "characteristics": ["DLL", "EXECUTABLE_IMAGE"],
        },
        "optional": {
            "subsystem": "WINDOWS_CUI",
            "dll_characteristics": [],
            "magic": "PE32",
            "major_image_version": 1,
            "minor_image_version": 2,
            "major_linker_version": 3,
            "minor_linker_version": 4,
            "major_operating_system_version": 5,
            "minor_operating_system_version": 6,
            "major_subsystem_version": 7,
            "minor_subsystem_version": 8,
            "sizeof_code": 13824,
            "sizeof_headers": 512,
            "sizeof_heap_commit": 4096,
        },
    },
    "section": {
        "entry": ".text",
        "sections": [
            {
                "name": ".text",
                "size": 13824,
                "entropy": 5.25,
                "vsize": 13460,
                "props": ["CNT_CODE", "MEM_EXECUTE", "MEM_READ"],
            },
            {"name": "", "size": 0, "entropy": 0, "vsize": 12, "props": ["MEM_READ", "MEM_WRITE"]},
        ],
    },
    "imports": {"KERNEL32.dll": ["ExitProcess", "Sleep"], "mscoree.dll": ["_CorDllMain"]},
    "exports": ["DllMain"],
}


@pytest.fixture
def make_row():
    """A function: a sound raw row of version 1 or 2 with its own sha256."""

    def make(number=0, label=0, version=1):
        row = copy.deepcopy(ROW)
        row["sha256"] = hashlib.sha256(str(number).encode()).hexdigest()
        row["label"] = label
        row["general"]["size"] += number
        if version == 2:
            row["datadirectories"] = [
                {"name": "EXPORT_TABLE", "size": 11, "virtual_address": 4096},
                {"name": "IMPORT_TABLE", "size": 22, "virtual_address": 8192},
            ]
        return row

    return make


@pytest.fixture
def release_rows(make_row):
    """Rows of a release by file: two training files, one test file; labels 0, 1 and -1."""
    labels = (0, 1, -1)
    names = ("train_features_0.jsonl", "train_features_1.jsonl", "test_features.jsonl")
    return {
        name: [make_row(n, labels[n % 3]) for n in range(10 * number, 10 * number + 10)]
        for number, name in enumerate(names)
    }


def lines_of(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def write_folder(tmp_path):
    """A function: rows by file name to a folder of JSON lines."""

    def write(rows_by_file, name="ember"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for file, rows in rows_by_file.items():
            (folder / file).write_bytes(lines_of(rows))
        return folder

    return write


@pytest.fixture
def write_archive(tmp_path):
    """A function: rows by file name to a .tar.bz2 of one folder, files in the order given."""

    def write(rows_by_file, name="ember.tar.bz2"):
        path = tmp_path / name
        with bz2.open(path, "wb") as plain, tarfile.open(fileobj=plain, mode="w|") as archive:
            contents = {"ember_model.txt": b"tree", **rows_by_file}
            for file, rows in contents.items():
                content = rows if isinstance(rows, bytes) else lines_of(rows)
                member = tarfile.TarInfo(f"ember/{file}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return path

    return write


@pytest.fixture
def write_maps(tmp_path):
    """A function: rows by file name to memory maps, with metadata or without."""

    def write(rows_by_file, name="maps", metadata=True, version=1):
        folder = tmp_path / name
        folder.mkdir()
        for part in ("train", "test"):
            rows = [r for file, some in rows_by_file.items() if part in file for r in some]
            vectorise(rows, version).tofile(folder / f"X_{part}.dat")
            labels = np.array([row["label"] for row in rows], dtype=np.float32)
            labels.tofile(folder / f"y_{part}.dat")
            if metadata:
                text = "".join(
                    f"{n},{row['sha256']},{row['appeared']},{row['label']}\n"
                    for n, row in enumerate(rows)
                )
                (folder / f"{part}_metadata.csv").write_text(",sha256,appeared,label\n" + text)
        return folder

    return write


@pytest.fixture
def in_ranges(monkeypatch):
    """Scan any release by ranges of some 1,500 bytes, in this process as the workers do."""

    class Here:
        def __init__(self, workers, mp_context):
            assert mp_context.get_start_method() == "spawn"

        def __enter__(self):
            return self

        def __exit__(self, *raised):
            pass

        def submit(self, function, *values, **named):
            # What a worker is sent and what it sends back has to go through a pipe.
            task = pickle.loads(pickle.dumps((function, values, named)))
            return Done(*task)

        def shutdown(self, cancel_futures):
            assert cancel_futures

    class Done:
        def __init__(self, function, values, named):
            self.task = lambda: function(*values, **named)

        def result(self):
            return pickle.loads(pickle.dumps(self.task()))

    monkeypatch.setattr(scanning, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(scanning, "WORTH_WORKERS", 0)
    monkeypatch.setattr(scanning, "_RANGE_BYTES", 1500)
