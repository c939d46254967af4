"""What the bytes of a program are: kinds of content with their byte and string statistics.

`data/bytes.yaml` and `data/characters.yaml` hold what was counted, `data/kinds.yaml` mixes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from simember.loading import check_names, read, read_entries, wrong

_PRINTABLE = slice(0x20, 0x80)


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a mixture: exactly one of the fields after `share`."""

    share: float = 1.0
    table: str | None = None
    characters: str | None = None
    peaks: dict[int, float] | None = None
    set: str | None = None

    def __post_init__(self) -> None:
        given = [self.table, self.characters, self.peaks, self.set]
        if sum(value is not None for value in given) != 1:
            raise ValueError("a part must have exactly one of table, characters, peaks and set")


class _Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    block: float
    part: float
    byte: float


class _Strings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: float
    length: float
    characters: str


class _Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bytes: tuple[_Part, ...]
    spread: _Spread
    strings: _Strings


class _CharacterFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    counted: dict[str, str]
    mixtures: dict[str, tuple[_Part, ...]]


@dataclass(frozen=True)
class Kind:
    """One kind of content.

    `bytes` (256) is its byte distribution. `block` says how alike the 1,024-byte blocks of one
    file are, as the concentration of a Dirichlet distribution over the upper half-bytes; `part`
    and `byte` are log-normal spreads between programs, of half-bytes and of bytes. Strings are
    runs of at least five printable bytes: `strings` per 1,024 bytes, `length` on average, made
    of `characters` (96).
    """

    bytes: np.ndarray
    block: float
    part: float
    byte: float
    strings: float
    length: float
    characters: np.ndarray


def _counted(file: str, key: str, text: str, size: int) -> np.ndarray:
    try:
        counts = np.array(text.split(), dtype=np.float64) + 0.2  # no byte is impossible
    except ValueError as error:
        raise wrong(file, key, str(error)) from None
    if len(counts) != size:
        raise wrong(file, key, f"{len(counts)} numbers, not {size}")
    return np.asarray(counts / counts.sum())


def _mixture(parts: list[tuple[float, np.ndarray]]) -> np.ndarray:
    if len(parts) == 1:
        return parts[0][1]
    total = sum(share * table for share, table in parts)
    return np.asarray(total / np.sum(total))


def _characters() -> dict[str, np.ndarray]:
    """Shares of the printable characters, 20 to 7f, by name of the table."""
    file = "characters.yaml"
    content = read(file, _CharacterFile)
    tables = {key: _counted(file, key, text, 96) for key, text in content.counted.items()}
    tables["random"] = np.full(96, 1 / 96)
    # The names of a .NET program repeat a few words, mostly in lower case.
    sharpened = tables["text"] ** 1.25
    tables["identifiers"] = sharpened / sharpened.sum()
    for key, entry in content.mixtures.items():
        tables[key] = _mixture(
            [(part.share, _character_table(key, part, tables)) for part in entry]
        )
    return tables


def _character_table(key: str, part: _Part, tables: dict[str, np.ndarray]) -> np.ndarray:
    file = "characters.yaml"
    if part.table is not None:
        check_names(file, key, [part.table], tables)
        return tables[part.table]
    if not part.set or not all(" " <= character <= "\x7f" for character in part.set):
        raise wrong(file, key, "a part has table, or set: characters from 20 to 7f")
    positions = np.frombuffer(part.set.encode(), np.uint8) - 0x20
    return np.asarray(np.bincount(positions, minlength=96) / len(positions))


def _byte_table(key: str, part: _Part) -> np.ndarray:
    file = "kinds.yaml"
    if part.table is not None:
        check_names(file, f"{key}.bytes", [part.table], _BYTES)
        return _BYTES[part.table]
    table = np.zeros(256)
    if part.characters is not None:
        check_names(file, f"{key}.bytes", [part.characters], _CHARACTERS)
        table[_PRINTABLE] = _CHARACTERS[part.characters]
        return table
    if part.peaks is None or not all(0 <= byte < 256 for byte in part.peaks):
        raise wrong(file, f"{key}.bytes", "a part has table, characters, or peaks from 0 to 255")
    for byte, weight in part.peaks.items():
        table[byte] = weight
    return np.asarray(table / table.sum())


def _kind(key: str, entry: _Kind) -> Kind:
    spread, strings = entry.spread, entry.strings
    check_names("kinds.yaml", f"{key}.strings", [strings.characters], _CHARACTERS)
    return Kind(
        bytes=_mixture([(part.share, _byte_table(key, part)) for part in entry.bytes]),
        block=spread.block,
        part=spread.part,
        byte=spread.byte,
        strings=strings.rate,
        length=strings.length,
        characters=_CHARACTERS[strings.characters],
    )


_SMALL = 1.0 / (1.0 + np.arange(256.0)) ** 1.2  # small integers are common, large ones rare
_BYTES: dict[str, np.ndarray] = {
    "uniform": np.full(256, 1 / 256),
    "small": _SMALL / _SMALL.sum(),
    **{
        key: _counted("bytes.yaml", key, text, 256)
        for key, text in read_entries("bytes.yaml", str).items()
    },
}
_CHARACTERS = _characters()

KINDS = {key: _kind(key, entry) for key, entry in read_entries("kinds.yaml", _Kind).items()}
KIND_INDEX = {name: index for index, name in enumerate(KINDS)}
