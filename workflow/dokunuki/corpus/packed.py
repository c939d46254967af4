"""Releases whose rows have no place of their own on disk: in containers, and in a store of rows."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from dokunuki.corpus.containers import Containers
from dokunuki.corpus.jsonl import JsonLines, Met, numbered, positions_by_file
from dokunuki.corpus.row_store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dokunuki.corpus.protocol import Location


class JsonlContainers(JsonLines):
    """Archives and compressed files, read as streams: each scan and each read decompresses them."""

    layout = "archive of JSON lines"

    def __init__(
        self,
        path: Path,
        version: int,
        files: Sequence[Path],
        file_types: Sequence[str] | None = None,
    ) -> None:
        super().__init__(path, version, file_types)
        self._containers = Containers(path, files)
        self._where = self._members = dict[str, str]()
        self.total_bytes = self._containers.total_bytes

    def _streams(self) -> Iterator[tuple[str, IO[bytes]]]:
        for member in self._containers.members():
            self._members[member.name] = member.where
            yield member.name, member.content
        self._advance(0)

    def _advance(self, length: int) -> None:
        self.bytes_done = self._containers.bytes_done

    def _lines(self, locations: Sequence[Location]) -> Iterator[tuple[int, bytes]]:
        missing = positions_by_file(locations)
        for file, stream in self._streams():
            positions = missing.pop(file, [])
            lines = numbered(stream, self.where(file))
            for position in positions:
                wanted = locations[position].line
                text = next((line.text for line in lines if line.number == wanted), None)
                if text is None:
                    raise self._changed(locations[position])
                yield position, text
            if not missing:
                return
        raise self._changed(locations[next(iter(missing.values()))[0]])


class JsonlStore(JsonLines):
    """What `row_store.write_store` kept of containers: rows are read from any place."""

    layout = JsonlContainers.layout

    def __init__(
        self,
        path: Path,
        version: int,
        store: str | Path,
        file_types: Sequence[str] | None = None,
    ) -> None:
        super().__init__(path, version, file_types)
        self._store = store
        with open_store(store) as rows:
            self._where, self._left_out = rows.where, rows.left_out
            self.total_bytes = sum(rows.size.values())

    def _streams(self) -> Iterator[tuple[str, IO[bytes]]]:
        with open_store(self._store) as rows:
            rows.check_types(self.file_types)
            for name in rows.files:
                yield name, rows.stream(name)

    def _count(self, file: str, lines: Iterator[object], met: Met) -> int:
        # Files that are left out were counted while they were passed over.
        return self._left_out[file]

    def _advance(self, length: int) -> None:
        self.bytes_done += length

    def _lines(self, locations: Sequence[Location]) -> Iterator[tuple[int, bytes]]:
        with open_store(self._store) as rows:
            for file, positions in positions_by_file(locations).items():
                for position in positions:
                    location = locations[position]
                    text = rows.read(file, location.offset, location.length)
                    if len(text) < location.length:
                        raise self._changed(location)
                    yield position, text
