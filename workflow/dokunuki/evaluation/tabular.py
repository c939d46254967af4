"""Tidy CSV tables that a schema describes: what is written is checked, and so is what is read.

A schema is a JSON Schema of one row, written in YAML, in the folder `schemas` beside the library.
The order of its `properties` is the order of the columns; `x-key` lists the columns that tell the
rows apart and that they are sorted by.
"""

from __future__ import annotations

import csv
import io
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml
from jsonschema import Draft202012Validator

from dokunuki.errors import DataFileError, damaged_file, missing_file
from dokunuki.storage.files import atomic_write, verify_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCHEMA_FOLDER = Path(__file__).resolve().parents[2] / "schemas"

_DECIMALS = 6


class TableSchema:
    """Columns, types and rules of one table; `name` is the schema's file name without suffixes."""

    def __init__(self, name: str) -> None:
        path = SCHEMA_FOLDER / f"{name}.schema.yaml"
        schema = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.name = name
        self.columns: dict[str, dict[str, Any]] = schema["properties"]
        self.key: tuple[str, ...] = tuple(schema["x-key"])
        self.validator = Draft202012Validator(schema)

    def types(self, column: str) -> tuple[str, ...]:
        """The JSON types that the column allows, e.g. ("number", "null")."""
        types = self.columns[column]["type"]
        return (types,) if isinstance(types, str) else tuple(types)


@cache
def load_schema(name: str) -> TableSchema:
    """The schema called `name`, read once."""
    return TableSchema(name)


def _parse(text: str, types: Sequence[str]) -> Any:  # noqa: ANN401 - str, int, float or None
    """The value that `text` stands for; text that does not parse stays text, for the validator."""
    if text == "" and "null" in types:
        return None
    try:
        if "integer" in types:
            return int(text)
        if "number" in types and math.isfinite(float(text)):
            return float(text)
    except ValueError:
        pass
    return text


def _format(value: Any) -> str:  # noqa: ANN401 - one cell of a DataFrame
    if pd.isna(value):
        return ""
    # "z" turns -0.000000 into 0.000000.
    return f"{value:z.{_DECIMALS}f}" if isinstance(value, float) else str(value)


def _records(text: str, schema: TableSchema, path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells of a CSV text whose header is the schema's."""
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader, [])
    columns = list(schema.columns)
    if header != columns:
        problem = [f"column {name!r} is missing" for name in columns if name not in header]
        problem += [f"column {name!r} is unknown" for name in header if name not in columns]
        raise DataFileError(
            f"{path}, line 1: {'; '.join(problem) or 'the columns stand in another order'}; "
            f"expected {', '.join(columns)}"
        )
    for cells in reader:
        if len(cells) != len(columns):
            raise DataFileError(
                f"{path}, line {reader.line_num}: {len(cells)} cells for {len(columns)} columns; "
                "the file is cut off or was edited"
            )
        yield reader.line_num, cells


def _parse_table(text: str, schema: TableSchema, path: str | Path) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    seen: dict[tuple[Any, ...], int] = {}
    types = {column: schema.types(column) for column in schema.columns}
    for line, cells in _records(text, schema, path):
        row = {
            column: _parse(cell, types[column])
            for column, cell in zip(schema.columns, cells, strict=True)
        }
        for error in schema.validator.iter_errors(row):
            column = str(error.path[0]) if error.path else next(iter(schema.columns))
            meaning = " ".join(schema.columns[column].get("description", "").split())
            value = "an empty cell" if row[column] is None else repr(row[column])
            wanted = error.message if row[column] is not None else f"status {row.get('status')!r}"
            raise DataFileError(
                f"{path}, line {line}, column {column!r}: {value} is not allowed here ({wanted}). "
                f"The column holds: {meaning}"
            )
        key = tuple(row[column] for column in schema.key)
        if key in seen:
            named = ", ".join(f"{n} {v}" for n, v in zip(schema.key, key, strict=True))
            raise DataFileError(
                f"{path}, line {line}: the same run as line {seen[key]} ({named}); "
                "keep one of the two rows"
            )
        seen[key] = line
        rows.append(row)
    return _frame(rows, schema)


def _frame(rows: Sequence[dict[str, Any]], schema: TableSchema) -> pd.DataFrame:
    columns = {}
    for column in schema.columns:
        types = schema.types(column)
        values = [row[column] for row in rows]
        if "integer" in types:
            dtype = "Int64" if "null" in types else "int64"
        else:
            dtype = "float64" if "number" in types else "object"
        columns[column] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(columns)


def build_table(rows: Sequence[dict[str, Any]], schema: TableSchema) -> pd.DataFrame:
    """A table of `rows` (one dict per row, every column a key), sorted by the schema's key."""
    ordered = sorted(rows, key=lambda row: tuple(row[column] for column in schema.key))
    return _frame(ordered, schema)


def write_table(path: str | Path, table: pd.DataFrame, schema: TableSchema) -> None:
    """Write the table as CSV, floats with six decimals; the same table gives the same bytes.

    Its checksum goes into a file beside it, so that the table itself stays plain CSV. Raises
    `DataFileError` and writes nothing when the table breaks its schema.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([_format(value) for value in row] for row in table.itertuples(index=False))
    text = stream.getvalue()
    _parse_table(text, schema, path)
    with atomic_write(path, checksum=True) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def read_table(path: str | Path, schema: TableSchema) -> pd.DataFrame:
    """Read and check a table; `DataFileError` names the file, the line and the column.

    Where the checksum that `write_table` wrote lies beside it, the table must match it.
    """
    verify_checksum(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except UnicodeDecodeError as error:
        raise damaged_file(path, "not UTF-8 text") from error
    return _parse_table(text, schema, path)
