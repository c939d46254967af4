"""Tidy CSV tables that a schema describes: what is written is checked, and so is what is read.

A schema is a JSON Schema of one row, written in YAML, in the workflow's folder `schemas`.
The order of its `properties` is the order of the columns; `x-key` lists the columns that tell the
rows apart and that they are sorted by.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import pandas as pd
from jsonschema import Draft202012Validator

from dokunuki.errors import DataFileError, damaged_file, missing_file, unreadable_file
from dokunuki.storage.files import atomic_write, verify_checksum
from dokunuki.storage.yaml_text import load_yaml
from dokunuki.study.places import WORKFLOW

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCHEMA_FOLDER = WORKFLOW / "schemas"


class TableSchema:
    """Columns, types and rules of one table; `name` is the schema's file name without suffixes."""

    def __init__(self, name: str) -> None:
        path = SCHEMA_FOLDER / f"{name}.schema.yaml"
        schema = load_yaml(path.read_text(encoding="utf-8"))
        self.columns: dict[str, dict[str, Any]] = schema["properties"]
        self.key: list[str] = schema["x-key"]
        self.validator = Draft202012Validator(schema)

    def frame(self, rows: Sequence[dict[str, Any]] | pd.DataFrame) -> pd.DataFrame:
        """The rows, every column a key of each, with the dtypes of the schema."""
        table = pd.DataFrame(rows, columns=list(self.columns), dtype="object")
        return table.astype({name: _dtype(column["type"]) for name, column in self.columns.items()})


def _dtype(types: str | Sequence[str]) -> str:
    if "integer" in types:
        return "Int64" if "null" in types else "int64"
    return "float64" if "number" in types else "object"


load_schema = cache(TableSchema)


def build_table(rows: Sequence[dict[str, Any]], schema: TableSchema) -> pd.DataFrame:
    """A table of `rows` (one dict per row, every column a key), sorted by the schema's key."""
    return schema.frame(rows).sort_values(schema.key, ignore_index=True)


def write_table(path: str | Path, table: pd.DataFrame, schema: TableSchema) -> None:
    """Write the table as CSV, floats with six decimals; the same table gives the same bytes.

    Its checksum goes into a file beside it, so that the table itself stays plain CSV. Raises
    `DataFileError` and writes nothing when the table breaks its schema.
    """
    with atomic_write(path, checksum=True) as temporary:
        # "z" turns -0.000000 into 0.000000.
        table.to_csv(temporary, index=False, float_format="{:z.6f}".format, lineterminator="\n")
        _read(temporary, schema, path)


def read_table(path: str | Path, schema: TableSchema) -> pd.DataFrame:
    """Read and check a table; `DataFileError` names the file, the line and the column.

    Where the checksum that `write_table` wrote lies beside it, the table must match it.
    """
    verify_checksum(path)
    return _read(path, schema, path)


def _read(source: str | Path, schema: TableSchema, path: str | Path) -> pd.DataFrame:
    """The checked table in `source`, which errors call `path`."""
    cells = _cells(source, path)
    header, columns = cells.iloc[0].tolist(), list(schema.columns)
    if header != columns:
        problem = [f"column {name!r} is missing" for name in columns if name not in header]
        problem += [f"column {name!r} is unknown" for name in header if name not in columns]
        raise DataFileError(
            f"{path}, line 1: {'; '.join(problem) or 'the columns stand in another order'}; "
            f"expected {', '.join(columns)}"
        )
    cells = cells[1:].set_axis(columns, axis="columns")
    found = cells.count(axis="columns")
    for name, column in schema.columns.items():
        if _dtype(column["type"]) != "object":
            # Text that is no finite number stays text, for the validator.
            numbers = pd.to_numeric(cells[name], errors="coerce")
            cells[name] = cells[name].mask(numbers.abs() < math.inf, numbers)
        if "null" in column["type"]:
            cells[name] = cells[name].mask(cells[name] == "", None)
    lines: dict[tuple[Any, ...], int] = {}
    for line, row in enumerate(cells.to_dict("records"), start=2):
        if found[line - 1] < len(columns):
            raise DataFileError(
                f"{path}, line {line}: {found[line - 1]} cells for {len(columns)} columns; "
                "the file was cut off or edited; delete it and run the same command again"
            )
        for error in schema.validator.iter_errors(row):
            name = str(error.path[0])
            value, wanted = repr(row[name]), error.message
            if row[name] is None:
                value, wanted = "an empty cell", f"status {row.get('status')!r}"
            meaning = " ".join(schema.columns[name]["description"].split())
            raise DataFileError(
                f"{path}, line {line}, column {name!r}: {value} is not allowed here ({wanted}). "
                f"The column holds: {meaning}"
            )
        key = tuple(row[name] for name in schema.key)
        if lines.setdefault(key, line) != line:
            named = ", ".join(f"{n} {v}" for n, v in zip(schema.key, key, strict=True))
            raise DataFileError(
                f"{path}, line {line}: the same run as line {lines[key]} ({named}); "
                "keep one of the two rows"
            )
    return schema.frame(cells).reset_index(drop=True)


def _cells(source: str | Path, path: str | Path) -> pd.DataFrame:
    """All cells as text, the header's too; NaN where a line is too short."""
    try:
        return pd.read_csv(
            source,
            header=None,
            dtype="object",
            keep_default_na=False,
            skip_blank_lines=False,
            engine="python",  # the other one takes what is not there for empty
        )
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except OSError as error:
        raise unreadable_file(path, error) from error
    except pd.errors.EmptyDataError:
        return pd.DataFrame([[]])
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise damaged_file(path, f"damaged or edited: not CSV in UTF-8 ({error})") from error
