"""Layouts as plain values, as files of ours and jobs' parameters hold them.

Apart from the reading of layout files (`own_layout`): detectors and vectors carry records, and are
not to be made again when a message about a file changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dokunuki.corpus.layout import FeatureLayout, feature_layout, layout_of_groups
from dokunuki.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.corpus.columns import Kind

Record = dict[str, Any]
"""What `layout_record` gives."""


@dataclass
class LayoutColumn:
    """One column: its group, name and kind, and whether an attacker reaches it."""

    group: str
    name: str
    kind: Kind
    attackable: bool
    feasible: bool


def layout_of_columns(name: str, columns: Sequence[LayoutColumn]) -> FeatureLayout:
    """The layout of columns in their order, those of a group together."""
    groups: dict[str, list[tuple[str, Kind]]] = {}
    for column in columns:
        groups.setdefault(column.group, []).append((column.name, column.kind))
    reached = [column for column in columns if column.attackable]
    return layout_of_groups(
        name,
        {group: tuple(held) for group, held in groups.items()},
        undefended=[column.name for column in columns if not column.attackable],
        non_hashed=[column.name for column in reached if column.kind != "hash"],
        feasible=[column.name for column in reached if column.feasible],
    )


def layout_record(layout: FeatureLayout) -> Record:
    """A layout as plain values that JSON holds: EMBER's by its version, others column by column."""
    if layout.version is not None:
        return {"feature_version": layout.version}
    undefended, feasible = set(layout.undefended_names), set(layout.feasible_names)
    return {
        "layout": layout.name,
        "columns": [
            [
                layout.group_of(column),
                name,
                layout.kinds[column],
                name not in undefended,
                name in feasible,
            ]
            for column, name in enumerate(layout.names)
        ],
    }


def layout_from_record(record: Mapping[str, Any]) -> FeatureLayout:
    """The layout that `layout_record` described; raises ConfigError for any other record."""
    if not isinstance(record, Mapping):
        raise ConfigError(f"layout: {record!r} is not a layout; build the file that holds it again")
    if "feature_version" in record:
        return feature_layout(record["feature_version"])
    try:
        name, columns = str(record["layout"]), [LayoutColumn(*one) for one in record["columns"]]
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"layout: its columns are not as dokunuki writes them ({error}); build the file that "
            "holds it again"
        ) from None
    return layout_of_columns(name, columns)
