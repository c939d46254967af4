"""An ONNX graph as it grows: values of rows, constants, and the columns that are taken of them.

Names are numbers in the order of making, so that equal detectors give equal bytes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dokunuki.errors import DokunukiError
from dokunuki.parts.building import path_of

INPUT = "rows"
OUTPUT = "malware_probability"
# Old enough for runtimes of the last years, new enough for all operators used here.
_OPSETS = (("", 17), ("ai.onnx.ml", 1))
_IR_VERSION = 8
# What protobuf holds in one message, less some room for the metadata.
_MOST_BYTES = 2**31 - 2**24
# Columns that stand in more runs than this are gathered one by one.
_MOST_RUNS = 16


class ExportError(DokunukiError):
    """A detector cannot leave as ONNX; the message names the part and the mend."""


def refused(part: object, reason: str, mend: str) -> ExportError:
    """The error for a part that has no ONNX form."""
    return ExportError(f"{path_of(part)} cannot be exported as ONNX: {reason}; {mend}")


class Value(NamedTuple):
    """What a node makes of a batch: float32 (n, width), by its name in the graph."""

    name: str
    width: int


class Graph:
    """Nodes and constants of a graph that is being made; `rows` is its input."""

    def __init__(self, width: int) -> None:
        self.rows = Value(INPUT, width)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, values: Any) -> str:  # noqa: ANN401 - whatever numpy makes an array of
        """A tensor that goes into the file, in the dtype that numpy gives it."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def number(self, value: float) -> str:
        """A float32 for every row."""
        return self.constant(np.array([value], dtype=np.float32))

    def node(
        self,
        operator: str,
        *inputs: str,
        domain: str = "",
        output: str | None = None,
        **attributes: Any,  # noqa: ANN401
    ) -> str:
        """Add a node; the name of its one output."""
        name = output or f"v{len(self._nodes)}"
        made = helper.make_node(operator, list(inputs), [name], domain=domain, **attributes)
        # By name, whatever order a library keeps them in.
        made.attribute.sort(key=lambda attribute: attribute.name)
        self._nodes.append(made)
        return name

    def chain(self, value: Value, operator: str, *others: str, **attributes: Any) -> Value:  # noqa: ANN401
        """A node that leaves the width as it is."""
        return Value(self.node(operator, value.name, *others, **attributes), value.width)

    def cast(self, name: str, dtype: type[np.generic]) -> str:
        """The same numbers in another dtype."""
        return self.node("Cast", name, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def dense(self, value: Value, weight: np.ndarray, bias: np.ndarray) -> Value:
        """The product x W' + b for a weight (outputs, inputs), computed in float32."""
        operands = (self.constant(part.astype(np.float32)) for part in (weight, bias))
        return Value(self.node("Gemm", value.name, *operands, transB=1), len(weight))

    def take(self, value: Value, columns: np.ndarray) -> Value:
        """These columns (indices) in this order."""
        columns = np.asarray(columns, dtype=np.int64)
        if np.array_equal(columns, np.arange(value.width)):
            return value
        # Copying a run costs a fraction of copying its columns one by one.
        runs = np.split(columns, np.flatnonzero(np.diff(columns) != 1) + 1)
        if len(runs) > _MOST_RUNS:
            name = self.node("Gather", value.name, self.constant(columns), axis=1)
            return Value(name, len(columns))
        return self.join(*(self._run(value, run) for run in runs))

    def _run(self, value: Value, run: np.ndarray) -> Value:
        limits = (self.constant(np.array([limit])) for limit in (run[0], run[-1] + 1, 1))
        return Value(self.node("Slice", value.name, *limits), len(run))

    def join(self, *values: Value) -> Value:
        """Values side by side."""
        if len(values) == 1:
            return values[0]
        name = self.node("Concat", *(value.name for value in values), axis=1)
        return Value(name, sum(value.width for value in values))

    def put(self, *parts: tuple[Value, np.ndarray]) -> Value:
        """Values whose columns have places (indices) in a whole that they fill together."""
        joined = self.join(*(value for value, _ in parts))
        return self.take(joined, np.argsort(np.concatenate([places for _, places in parts])))

    def model(self, probability: Value, metadata: dict[str, str], doc: str) -> onnx.ModelProto:
        """The finished model, whose output is the one column of `probability`, float32 (n,).

        Raises ExportError where an ONNX file cannot be so large.
        """
        self.node("Reshape", probability.name, self.constant(np.array([-1])), output=OUTPUT)
        size = sum(node.ByteSize() for node in self._nodes)
        size += sum(constant.ByteSize() for constant in self._constants)
        if size > _MOST_BYTES:
            raise ExportError(
                f"the detector takes {size / 1e9:.1f} GB as ONNX, and such a file has at most 2 GB;"
                " lower its number of trees or their depth, or the widths of its network, or keep "
                "the detector's folder, which can be scored too"
            )
        rows = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", self.rows.width])
        scores = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n"])
        graph = helper.make_graph(self._nodes, "detector", [rows], [scores], self._constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(*opset) for opset in _OPSETS],
            ir_version=_IR_VERSION,
            producer_name="dokunuki",
            doc_string=doc,
        )
        helper.set_model_props(model, metadata)
        return model
