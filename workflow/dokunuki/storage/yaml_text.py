"""YAML in which no key stands twice, of which PyYAML would take the last in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Hashable

try:
    # libyaml, where PyYAML was built with it, reads ten times as fast.
    from yaml import CSafeLoader as _Base
except ImportError:
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

_DEEPEST = 200
_MOST_NODES = 5_000_000


class KeyTwiceError(yaml.MarkedYAMLError):
    """A key stands twice in a mapping."""


class _Loader(_Base):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            told = (key.tag, str(key.value))
            if told in seen:
                problem = f"the key {key.value!r} appears twice, keep one of the two"
                raise KeyTwiceError(None, None, problem, key.start_mark)
            seen.add(told)
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:  # noqa: ANN401 - whatever the text holds
    """The content of a YAML text; raises yaml.YAMLError, `KeyTwiceError` among them.

    Most of them have the line in `problem_mark`.
    """
    _check_extent(text)
    return yaml.load(text, _Loader)


def _check_extent(text: str) -> None:
    """Refuse what would end the process, or fill its memory, once it is put together.

    libyaml puts nested nodes together by recursion in C. A node that is named again and again by
    nodes that are themselves named again stands for more nodes than there is memory.
    """
    sizes: dict[str | None, int] = {}
    begun: list[tuple[str | None, int]] = []
    nodes = 0
    for event in yaml.parse(text, _Base):
        if isinstance(event, yaml.AliasEvent):
            nodes += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
            sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            begun.append((event.anchor, nodes))
            nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = begun.pop()
            sizes[anchor] = nodes - before
        if len(begun) > _DEEPEST or nodes > _MOST_NODES:
            problem = "nested too deeply" if len(begun) > _DEEPEST else "too many repeated nodes"
            raise yaml.MarkedYAMLError(None, None, problem, event.start_mark)  # type: ignore[arg-type]
