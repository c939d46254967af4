"""The documents, as tests look at them: where they are, what they tell to type, their examples."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from checkout import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

# Of a table's first column: other code there is a file, a key or a value.
_TYPED = ("make", "snakemake", "dokunuki", "python", "pip")
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


def manuals() -> list[Path]:
    """README.md and the pages of docs/, whose commands are accounted for."""
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def commands(text: str) -> list[str]:
    """What a page tells to type: blocks of commands, and commands in tables' first columns.

    A block of commands has no language, or sh or bash. Comments are left out, and a line that a
    backslash continues is one command.
    """
    found = []
    for language, block in _FENCE.findall(text):
        if language.strip() in ("", "sh", "bash"):
            lines = re.sub(r"\\\n\s*", "", block).splitlines()
            found += [re.sub(r"\s+#( .*)?$", "", line).strip() for line in lines]
    for line in _FENCE.sub("", text).splitlines():
        if line.startswith("|"):
            cell = re.split(r"(?<!\\)\|", line)[1]
            found += [code for code in re.findall(r"`([^`]+)`", cell) if code.split()[0] in _TYPED]
    return [command for command in found if command]


def write_methods(folder: Path, page: str) -> None:
    """The examples of a page, as files where the page says that they lie."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    blocks = re.findall(
        r"[Ii]n `my/methods/(\w+/\S+\.yaml)`:\n\n```yaml\n(.*?)```", text, re.DOTALL
    )
    assert blocks, page
    for name, block in blocks:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(block, encoding="utf-8")
    if modules := re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        (folder / "my_methods.py").write_text("\n\n".join(modules), encoding="utf-8")
