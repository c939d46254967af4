"""What is fuzzed: each reader that takes a stranger's file, with sound files to begin from.

A target's `seeds` writes sound inputs, each a folder, and names the files that may be changed. Its
`read` does what a user's command would do first with such a folder.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import shutil
import tarfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
from backports import zstd

from conftest import raw_row
from dokunuki.attacks.trigger import Trigger, read_trigger, trigger_feature, write_trigger
from dokunuki.corpus.extract.program import program_features
from dokunuki.corpus.extract.table import read_labels
from dokunuki.corpus.index import build_index
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.own_layout import read_layout
from dokunuki.corpus.own_rows import OwnRows
from dokunuki.corpus.release import open_release
from dokunuki.corpus.validation import check_row
from dokunuki.corpus.vectoriser import vectorise
from dokunuki.deployment.model import load_model
from dokunuki.errors import DokunukiError
from dokunuki.storage.files import write_checksum
from dokunuki.storage.seals import seal
from ember2024_rows import raw_row_3
from made_up_programs import launchers, made_up_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.corpus.protocol import Release
    from dokunuki.detector import Detector

LAYOUT = """
groups:
  sizes: {width: 3, kind: real, attackable: false}
  counts: {width: 4, kind: count}
"""


@dataclass(frozen=True)
class Seed:
    """A folder with a sound input; `files` are those that are changed, one of them a time."""

    folder: Path
    files: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """A reader: `repair` puts checksums right again, as whoever means harm would."""

    seeds: Callable[[Path], Iterator[Seed]]
    read: Callable[[Path], None]
    repair: Callable[[Path], None] = lambda path: None


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir(parents=True)
    return folder


def _lines(version: int, count: int = 3) -> bytes:
    rng = np.random.default_rng(version)
    make = raw_row_3 if version == 3 else partial(raw_row, version=version)
    rows = [make(rng, number % 2) for number in range(count)]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _read_all(release: Release) -> None:
    index, _ = build_index(release, "skip")
    locations = index.locations(range(len(index)))
    for _ in release.vectors(locations, vectorise):
        pass


# A release: version 1, 2 or 3 by its folder's name.


def _release_seeds(parent: Path) -> Iterator[Seed]:
    for version in (1, 2, 3):
        folder = _folder(parent, f"v{version}")
        (folder / "train_features_0.jsonl").write_bytes(_lines(version))
        yield Seed(folder, ("train_features_0.jsonl",))


def _read_release(folder: Path) -> None:
    _read_all(open_release(folder, int(folder.name[1])))


def _archive_seeds(parent: Path) -> Iterator[Seed]:
    content = _lines(1, 2)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("ember/train_features_0.jsonl", "ember/test_features.jsonl"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ember/train_features_0.jsonl", content)
        archive.writestr("ember/test_features.jsonl", content)
    tarred = packed.getvalue()
    inputs = {
        "ember.tar": tarred,
        "ember.tar.gz": gzip.compress(tarred),
        "ember.tar.bz2": bz2.compress(tarred),
        "ember.tar.xz": lzma.compress(tarred),
        "ember.tar.zst": zstd.compress(tarred),
        "ember.zip": zipped.getvalue(),
        "train_features_0.jsonl.gz": gzip.compress(content),
    }
    for number, (name, archived) in enumerate(inputs.items()):
        folder = _folder(parent, str(number))
        (folder / name).write_bytes(archived)
        yield Seed(folder, (name,))


def _read_archive(folder: Path) -> None:
    (file,) = folder.iterdir()
    _read_all(open_release(file, 1))


def _map_seeds(parent: Path) -> Iterator[Seed]:
    rows = [json.loads(line) for line in _lines(1, 6).splitlines()]
    folder = _folder(parent, "maps")
    vectorise(rows, 1).tofile(folder / "X_train.dat")
    np.array([row["label"] for row in rows], dtype=np.float32).tofile(folder / "y_train.dat")
    listed = [f"{n},{row['sha256']},2017-01,{row['label']}\n" for n, row in enumerate(rows)]
    (folder / "train_metadata.csv").write_text(",sha256,appeared,label\n" + "".join(listed))
    yield Seed(folder, ("X_train.dat", "y_train.dat", "train_metadata.csv"))


def _read_maps(folder: Path) -> None:
    _read_all(open_release(folder, 1))


# Tables of seven columns, with a layout beside them.


def _table_seeds(parent: Path) -> Iterator[Seed]:
    rng = np.random.default_rng(1)
    (parent / "layout.yaml").write_text(LAYOUT)
    names = list(read_layout(parent / "layout.yaml").names)
    X = rng.integers(0, 99, size=(40, len(names))).astype(np.float32)
    y, ids = np.arange(40) % 2, [rng.bytes(32).hex() for _ in range(40)]
    frame = pd.DataFrame(X, columns=names).assign(label=y, sha256=ids)

    def hdf5(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file["X"], file["y"], file["sha256"] = X, y, ids
            file["columns"] = names

    writers: dict[str, Callable[[Path], object]] = {
        "rows.csv": lambda path: frame.to_csv(path, index=False),
        "rows.csv.gz": lambda path: frame.to_csv(path, index=False),
        "rows.tsv": lambda path: frame.to_csv(path, index=False, sep="\t", encoding="utf-16"),
        "rows.parquet": lambda path: frame.to_parquet(path, row_group_size=16),
        "plain.parquet": lambda path: frame.to_parquet(path, compression=None),
        "rows.feather": lambda path: frame.to_feather(path, compression="uncompressed"),
        "rows.npz": lambda path: np.savez(path, X=X, y=y, sha256=np.array(ids)),
        "packed.npz": lambda path: np.savez_compressed(path, X=X, y=y),
        "rows.h5": hdf5,
    }
    for number, (name, write) in enumerate(writers.items()):
        folder = _folder(parent, str(number))
        write(folder / name)
        yield Seed(folder, (name,))
    folder = _folder(parent, "arrays")
    np.save(folder / "X_train.npy", X)
    np.save(folder / "y_train.npy", y)
    yield Seed(folder, ("X_train.npy", "y_train.npy"))


def _read_table(folder: Path) -> None:
    layout = _own_layout()
    release = OwnRows(folder, layout)
    index, _ = build_index(release, "skip")
    for _ in release.vectors(index.locations(range(len(index))), vectorise):
        pass


@cache
def _own_layout() -> FeatureLayout:
    with NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(LAYOUT)
        file.flush()
        return read_layout(file.name)


def _layout_seeds(parent: Path) -> Iterator[Seed]:
    folder = _folder(parent, "yaml")
    (folder / "layout.yaml").write_text(LAYOUT)
    yield Seed(folder, ("layout.yaml",))
    folder = _folder(parent, "csv")
    (folder / "layout.csv").write_text(
        "name,group,kind,attackable\nsize,sizes,real,false\nimports,counts,count,true\n"
    )
    yield Seed(folder, ("layout.csv",))


def _read_layout(folder: Path) -> None:
    (file,) = folder.iterdir()
    read_layout(file)


def _trigger_seeds(parent: Path) -> Iterator[Seed]:
    layout = feature_layout(1)
    columns = tuple(trigger_feature(layout, index, 1.0, {}) for index in (256, 600, 620))
    folder = _folder(parent, "trigger")
    trigger = Trigger("mine", columns, True, "embernn", 0, {"a": 1}, layout)
    write_trigger(folder / "trigger.json", trigger)
    yield Seed(folder, ("trigger.json",))


def _read_trigger(folder: Path) -> None:
    read_trigger(folder / "trigger.json")


def _reseal(path: Path) -> None:
    with suppress(ValueError):
        seal(path)
    if path.with_name(path.name + ".sha256").exists():
        write_checksum(path)


# Detectors of few columns, so that a change hits something.


def _detectors() -> Iterator[tuple[str, Detector]]:
    # Heavy, and of no use to the other targets.
    from sklearn.decomposition import PCA
    from sklearn.ensemble import RandomForestClassifier

    from dokunuki.defences.autoencoder import AutoencoderReconstruction
    from dokunuki.detector import Detector as Fitted
    from exported import autoencoder, network

    rng = np.random.default_rng(2)
    layout = _own_layout()
    X = rng.normal(size=(80, layout.width)).astype(np.float32)
    y = np.arange(80) % 2
    parts = {
        "network": ([], network(hidden=[4])),
        "autoencoder": (
            [AutoencoderReconstruction(layout, autoencoder(hidden=6, code=2))],
            network(hidden=[4]),
        ),
        "forest": ([PCA(2)], RandomForestClassifier(n_estimators=3, max_depth=3, random_state=0)),
    }
    for name, (transformers, classifier) in parts.items():
        detector = Fitted(transformers, classifier)
        detector.layout = layout
        yield name, detector.fit(X, y)


def _detector_seeds(parent: Path) -> Iterator[Seed]:
    for name, detector in _detectors():
        folder = parent / name
        detector.save(folder)
        files = [path.name for path in folder.iterdir() if path.suffix != ".sha256"]
        yield Seed(folder, tuple(sorted(files)))


def _score(path: Path) -> None:
    model = load_model(path)
    model.malware_scores(np.ones((2, model.layout.width), dtype=np.float32))


def _onnx_seeds(parent: Path) -> Iterator[Seed]:
    for name, detector in _detectors():
        folder = _folder(parent, name)
        detector.to_onnx(folder / "detector.onnx")
        yield Seed(folder, ("detector.onnx",))


def _program_seeds(parent: Path) -> Iterator[Seed]:
    folder = _folder(parent, "made-up")
    (folder / "program.exe").write_bytes(made_up_program())
    yield Seed(folder, ("program.exe",))
    for number, launcher in enumerate(launchers()[:3]):
        folder = _folder(parent, f"launcher-{number}")
        shutil.copyfile(launcher, folder / "program.exe")
        yield Seed(folder, ("program.exe",))


def _read_program(folder: Path) -> None:
    content = (folder / "program.exe").read_bytes()
    for version in (1, 2):
        features = program_features(content, version)
        row = {"sha256": "0" * 64, "appeared": "", "label": -1, **features}
        check_row(row, version, "its row")
        vectorise([row], version)


def _label_seeds(parent: Path) -> Iterator[Seed]:
    folder = _folder(parent, "labels")
    (folder / "a.exe").touch()
    (folder / "labels.csv").write_text(
        "path;sha256;label;appeared\na.exe;;1;2017-01\n;" + "0" * 64 + ";goodware;\n"
    )
    yield Seed(folder, ("labels.csv",))


def _read_labels(folder: Path) -> None:
    read_labels(folder / "labels.csv", folder)


TARGETS = {
    "release": Target(_release_seeds, _read_release),
    "archive": Target(_archive_seeds, _read_archive),
    "maps": Target(_map_seeds, _read_maps),
    "table": Target(_table_seeds, _read_table),
    "layout": Target(_layout_seeds, _read_layout),
    "trigger": Target(_trigger_seeds, _read_trigger, _reseal),
    "detector": Target(_detector_seeds, _score, _reseal),
    "onnx": Target(_onnx_seeds, lambda folder: _score(folder / "detector.onnx"), _reseal),
    "program": Target(_program_seeds, _read_program),
    "labels": Target(_label_seeds, _read_labels),
}
"""By name, as `make fuzz TARGET=` takes them."""

REFUSALS = (DokunukiError,)
"""What a reader may raise of a file that it does not take."""
