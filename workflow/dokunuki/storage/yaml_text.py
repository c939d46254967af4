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


class KeyTwiceError(yaml.MarkedYAMLError):
    """A key stands twice in a mapping."""


class _Loader(_Base):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            told = (key.tag, str(key.value))
            if told in seen:
                problem = f"the key {key.value!r} stands twice, leave one of the two"
                raise KeyTwiceError(None, None, problem, key.start_mark)
            seen.add(told)
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:  # noqa: ANN401 - whatever the text holds
    """The content of a YAML text; raises yaml.YAMLError, `KeyTwiceError` among them.

    Most of them have the line in `problem_mark`.
    """
    return yaml.load(text, _Loader)
