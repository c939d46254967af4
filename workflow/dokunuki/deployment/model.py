"""What scores raw rows: a detector that was exported as ONNX, or the folder of one.

An exported one needs onnxruntime and numpy, and neither torch nor scikit-learn.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dokunuki.corpus.layout import FEATURE_VERSIONS, feature_layout
from dokunuki.corpus.layout_record import layout_from_record
from dokunuki.errors import ConfigError, DataFileError, DokunukiError, damaged_file
from dokunuki.storage.seals import check_seal

if TYPE_CHECKING:
    from collections.abc import Collection

    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.detector import Detector

METADATA_PREFIX = "dokunuki."
_DETECTOR_FILE = "detector.json"
# What every detector's verdict is at: see `Detector.malware_scores`.
HALF = {"half": 0.5}


class Model(Protocol):
    """What `score_rows` scores with.

    `layout` is that of the rows which it takes; `thresholds`, by name, are where malware begins.
    """

    layout: FeatureLayout
    thresholds: dict[str, float]

    def malware_scores(self, X: np.ndarray) -> np.ndarray:
        """The probability that each raw row is malware, float32 (n,)."""
        ...


class Session:
    """An ONNX file, run by onnxruntime on the CPU in `threads` threads.

    Raises DataFileError for a file that is no model.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # What it says of a bad file stands in the error too.
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                str(path),
                options,
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # to the same provider, with prints to standard output
            )
        except Exception as error:  # onnxruntime's have no other base
            raise DataFileError(
                f"{path}: onnxruntime cannot load it ({str(error).splitlines()[0]}); export it "
                "again, or update onnxruntime"
            ) from error
        try:
            (given,) = self._session.get_inputs()
            self._input = given.name
            self.width = int(given.shape[1])
            self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        except (ValueError, TypeError, IndexError) as error:
            raise DataFileError(
                f"{path}: does not take one matrix of rows, or lacks dokunuki's description of the "
                f"detector ({error}); export the detector again"
            ) from error

    def malware_scores(self, X: np.ndarray) -> np.ndarray:
        """The probability that each raw row is malware, float32 (n,)."""
        rows = np.ascontiguousarray(X, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise DokunukiError(
                f"the detector takes {self.width} columns, but the rows have shape {rows.shape}; "
                "give it rows of its own layout"
            )
        try:
            scores: np.ndarray = self._session.run(None, {self._input: rows})[0]
        except Exception as error:  # onnxruntime's have no other base
            raise DataFileError(
                f"the detector cannot score rows ({str(error).splitlines()[0]}); export it again"
            ) from error
        if getattr(scores, "shape", None) != (len(rows),) or scores.dtype != np.float32:
            raise DataFileError(
                "the detector does not give one score for each row; export it again"
            )
        return scores


class Deployed:
    """A detector that `export_detector` wrote.

    `layout` and `thresholds` as in `Model`; `version` is dokunuki's that wrote it, `description`
    tells classes and parameters, `provenance` what the caller kept. Raises DataFileError when the
    file is missing, damaged, or not dokunuki's.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise DataFileError(f"{path}: no such file; export a detector to it")
        try:
            check_seal(self.path)
        except DataFileError as error:
            raise DataFileError(
                f"{path}: damaged, edited, or not exported by dokunuki: its content does not match "
                "the sha256 inside; copy it or export the detector again"
            ) from error
        self._session = Session(self.path, threads)
        try:
            facts = {
                name.removeprefix(METADATA_PREFIX): json.loads(text)
                for name, text in self._session.metadata.items()
                if name.startswith(METADATA_PREFIX)
            }
            self.layout = layout_from_record(facts["layout"])
            self.thresholds: dict[str, float] = {**HALF, **facts["thresholds"]}
            self.version: str = facts["version"]
            self.description: dict[str, Any] = facts["detector"]
            self.provenance: dict[str, Any] = facts["provenance"]
            columns = tuple(facts["columns"])
        except (
            *(KeyError, ValueError, TypeError, AttributeError, RecursionError, ConfigError),
        ) as error:
            raise DataFileError(
                f"{path}: was written by another version of dokunuki ({error}); export it again"
            ) from error
        if columns != self.layout.names or self._session.width != self.layout.width:
            raise DataFileError(
                f"{path}: its columns are not those of {self.layout.name} in this version of "
                "dokunuki; export the detector again"
            )

    def malware_scores(self, X: np.ndarray) -> np.ndarray:
        """The probability that each raw row, float32 (n, width), is malware, float32 (n,)."""
        return self._session.malware_scores(X)


class Folder:
    """The folder that `Detector.save` wrote, as a model; `layout` where it tells none itself.

    Raises DataFileError for a missing or damaged folder, ConfigError where the layout is not told.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        layout: FeatureLayout | None = None,
        threads: int = 1,
        trusted: Collection[str] = (),
    ) -> None:
        # Late, since an exported detector is to be scored without scikit-learn and torch.
        from dokunuki.detector import Detector

        self.path = Path(path)
        self.detector = Detector.load(path, device="cpu", trusted=trusted)
        try:
            fitted = len(self.detector.scaler_.mean_)
            self.layout = layout or layout_of(self.detector)
        except (AttributeError, TypeError) as error:
            raise damaged_file(self.path, f"its parts are no detector's ({error})") from error
        if self.layout.width != fitted:
            raise ConfigError(
                f"layout: {self.layout.name} has {self.layout.width} columns, but the detector in "
                f"{path} was fitted on {fitted}; give the layout that its training rows have"
            )
        self.thresholds = {**HALF, **self.detector.thresholds}
        self._threads = threads

    def malware_scores(self, X: np.ndarray) -> np.ndarray:
        """The probability that each raw row, float32 (n, width), is malware, float32 (n,)."""
        from threadpoolctl import threadpool_limits

        try:
            with threadpool_limits(self._threads):
                return self.detector.malware_scores(X)
        except DokunukiError:
            raise
        except Exception as error:  # of parts that were edited, whatever their code raises
            problem = f"its parts cannot score rows ({str(error).partition(chr(10))[0]})"
            raise damaged_file(self.path, problem) from error


def load_model(
    path: str | Path,
    *,
    layout: FeatureLayout | None = None,
    threads: int = 1,
    trusted: Collection[str] = (),
) -> Model:
    """What scores rows: an ONNX file that dokunuki exported, or a detector's folder.

    `layout` is needed for a folder that does not tell it; `trusted` as in `Detector.load`. Raises
    DataFileError for what is neither, or damaged, and ConfigError for a layout of another width.
    """
    path = Path(path)
    if path.name == _DETECTOR_FILE:
        path = path.parent
    if path.is_dir():
        return Folder(path, layout=layout, threads=threads, trusted=trusted)
    model = Deployed(path, threads)
    if layout is not None and layout.names != model.layout.names:
        raise ConfigError(
            f"layout: {layout.name} is given, but {path} takes rows of {model.layout.name}; leave "
            "the layout out"
        )
    return model


def layout_of(detector: Detector) -> FeatureLayout:
    """The layout of a detector's rows: as it holds it, or a defence of it, or by EMBER's widths."""
    if detector.layout is not None:
        return detector.layout
    for part in (*detector.transformers_, detector.classifier_):
        if (layout := getattr(part, "layout", None)) is not None:
            held: FeatureLayout = layout
            return held
    width = len(detector.scaler_.mean_)
    for version in FEATURE_VERSIONS:
        if feature_layout(version).width == width:
            return feature_layout(version)
    raise ConfigError(
        f"layout: the detector was fitted on {width} columns, which no feature version has, and "
        "does not name their layout; give its layout file: --layout FILE, or in Python "
        "layout=read_layout(file)"
    )
