"""Writing files so that a crash never leaves a half-written one under its final name."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Hand out a temporary path beside `path`; rename it to `path` when the block succeeds.

    The temporary name keeps the suffix, since some writers choose their format by it. When the
    block raises, the temporary file is removed and `path` is left as it was.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.stem}.partial-{os.getpid()}{final.suffix}")
    try:
        yield temporary
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, content: Any) -> None:  # noqa: ANN401 - anything JSON can hold
    """Write `content` as indented JSON with a final newline; NaN and infinity are refused."""
    with atomic_write(path) as temporary:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:  # noqa: ANN401 - anything JSON can hold
    """Read a JSON file that `write_json` wrote."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
