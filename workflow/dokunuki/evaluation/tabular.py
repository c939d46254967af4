"""Tidy CSV tables that a schema describes: what is written is checked, and so is what is read.

A schema is a JSON Schema of one row, written in YAML, in the folder `schemas` beside the library.
The order of its `properties` is the order of the columns; `x-key` lists the columns that tell the
rows apart and that they are sorted by.
"""

from __future__ import annotations

import math
from functools import cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml
from jsonschema import Draft202012Validator

from dokunuki.errors import DataFileError, damaged_file, missing_file
from dokunuki.storage.files import atomic_write, verify_checksum

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA_FOLDER = Path(__file__).resolve().parents[2] / "schemas"

_DECIMALS = 6


class TableSchema:
    """Columns, types and rules of one table; `name` is the schema's file name without suffixes."""

    def __init__(self, name: str) -> None:
        path = SCHEMA_FOLDER / f"{name}.schema.yaml"
        schema = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.columns: dict[str, dict[str, Any]] = schema["properties"]
        self.key: list[str] = schema["x-key"]
        self.validator = Draft202012Validator(schema)
        self.dtypes = {column: _dtype(rule["type"]) for column, rule in self.columns.items()}


def _dtype(types: str | list[str]) -> str:
    if "integer" in types:
        return "Int64" if "null" in types else "int64"
    return "float64" if "number" in types else "object"


@cache
def load_schema(name: str) -> TableSchema:
    """The schema called `name`, read once."""
    return TableSchema(name)


def _cells(source: Path | StringIO, schema: TableSchema, path: str | Path) -> pd.DataFrame:
    """The texts of a CSV whose header is the schema's; the index is the line."""
    # The other engine fills lines that are too short with empty cells; this one with None.
    options: Any = {"engine": "python", "skip_blank_lines": False, "keep_default_na": False}
    try:
        cells: pd.DataFrame = pd.read_csv(source, header=None, dtype=object, **options)
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except UnicodeDecodeError as error:
        raise damaged_file(path, "not UTF-8 text") from error
    except pd.errors.EmptyDataError:
        cells = pd.DataFrame(index=[0])
    except pd.errors.ParserError as error:  # names the line
        raise DataFileError(f"{path}: {str(error).strip()}; the file was edited") from error
    cells.index += 1
    columns, header = list(schema.columns), cells.loc[1].tolist()
    if header != columns:
        problem = [f"column {name!r} is missing" for name in columns if name not in header]
        problem += [f"column {name!r} is unknown" for name in header if name not in columns]
        raise DataFileError(
            f"{path}, line 1: {'; '.join(problem) or 'the columns stand in another order'}; "
            f"expected {', '.join(columns)}"
        )
    for line, count in cells.count(axis=1).items():
        if count < len(columns):
            raise DataFileError(
                f"{path}, line {line}: {count} cells for {len(columns)} columns; the file is cut "
                "off or was edited"
            )
    return cells.set_axis(columns, axis=1).loc[2:]


def _value(text: str, types: str | list[str]) -> Any:  # noqa: ANN401 - as JSON has it
    """What a cell stands for; what is no finite number stays text, for the schema to refuse."""
    if text == "" and "null" in types:
        return None
    try:
        value = int(text) if "integer" in types else float(text) if "number" in types else text
    except ValueError:
        return text
    return text if isinstance(value, float) and not math.isfinite(value) else value


def _parse_table(source: Path | StringIO, schema: TableSchema, path: str | Path) -> pd.DataFrame:
    cells = _cells(source, schema, path)
    for column, rule in schema.columns.items():
        values = [_value(text, rule["type"]) for text in cells[column]]
        cells[column] = pd.Series(values, cells.index, dtype=object)
    for line, row in zip(cells.index, cells.to_dict("records"), strict=True):
        for error in schema.validator.iter_errors(row):
            column = str(error.path[0]) if error.path else next(iter(schema.columns))
            meaning = " ".join(schema.columns[column].get("description", "").split())
            value = "an empty cell" if row[column] is None else repr(row[column])
            wanted = error.message if row[column] is not None else f"status {row.get('status')!r}"
            raise DataFileError(
                f"{path}, line {line}, column {column!r}: {value} is not allowed here ({wanted}). "
                f"The column holds: {meaning}"
            )
    repeated = cells.index[cells.duplicated(schema.key)]
    if len(repeated):
        run = cells.loc[repeated[0], schema.key]
        first = (cells[schema.key] == run).all(axis=1).idxmax()
        named = ", ".join(f"{name} {value}" for name, value in run.items())
        raise DataFileError(
            f"{path}, line {repeated[0]}: the same run as line {first} ({named}); "
            "keep one of the two rows"
        )
    return cells.astype(schema.dtypes).reset_index(drop=True)


def build_table(rows: Sequence[dict[str, Any]], schema: TableSchema) -> pd.DataFrame:
    """A table of `rows` (one dict per row, every column a key), sorted by the schema's key."""
    table = pd.DataFrame(rows, columns=list(schema.columns), dtype=object).astype(schema.dtypes)
    return table.sort_values(schema.key, ignore_index=True)


def write_table(path: str | Path, table: pd.DataFrame, schema: TableSchema) -> None:
    """Write the table as CSV, floats with six decimals; the same table gives the same bytes.

    Its checksum goes into a file beside it, so that the table itself stays plain CSV. Raises
    `DataFileError` and writes nothing when the table breaks its schema.
    """
    numbers = table.select_dtypes("float64")
    # What is written as 0.000000 has no sign.
    unsigned = numbers.mask(numbers.abs() <= 0.5 * 10**-_DECIMALS, 0.0)
    text = table.assign(**unsigned).to_csv(
        index=False, float_format=f"%.{_DECIMALS}f", lineterminator="\n"
    )
    _parse_table(StringIO(text), schema, path)
    with atomic_write(path, checksum=True) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def read_table(path: str | Path, schema: TableSchema) -> pd.DataFrame:
    """Read and check a table; `DataFileError` names the file, the line and the column.

    Where the checksum that `write_table` wrote lies beside it, the table must match it.
    """
    verify_checksum(path)
    return _parse_table(Path(path), schema, path)
