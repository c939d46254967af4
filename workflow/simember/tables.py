"""What the bytes of a program are: kinds of content with their byte and string statistics.

The tables of code, relocations and chance strings were counted in compiled programs (launchers
and installer stubs that Python ships, and per-compiler means of real feature rows); the others
are built from simple assumptions that are stated beside them. All are rounded to 1 in 20,000.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Frequency of each byte value, 00 to ff, 16 in a line, per 20,000.
_BYTE_TABLES = {
    # 32-bit code of Visual C++ 6 to 2015.
    "x86": """
        1872 255 146 148 217 70 82 73 281 48 53 48 203 44 31 341
        176 28 27 30 102 92 46 21 80 19 17 32 50 22 17 24
        74 14 17 27 100 32 13 11 39 17 20 81 35 16 10 8
        68 23 28 195 34 38 16 10 48 68 18 148 45 31 15 15
        186 116 108 56 64 338 159 30 56 22 14 17 35 124 32 14
        236 78 19 120 28 140 143 103 38 173 12 42 26 144 84 53
        27 13 5 7 26 20 97 8 106 9 179 12 22 8 8 10
        42 23 41 31 324 408 41 26 26 14 8 10 30 82 35 31
        92 49 20 468 112 365 16 10 60 334 53 910 23 273 12 13
        23 9 6 6 20 27 5 5 16 13 4 5 15 19 5 28
        19 35 5 20 18 12 5 4 31 7 4 8 20 5 6 6
        42 14 12 7 17 31 85 36 36 18 12 12 16 33 24 16
        293 119 68 199 111 19 75 127 74 75 26 17 63 16 28 31
        46 29 43 31 20 9 31 16 53 21 18 38 28 15 12 11
        75 22 16 10 58 40 16 12 473 90 14 178 148 11 15 21
        119 33 25 26 63 15 103 65 166 47 34 50 159 100 158 1699""",
    # 64-bit code of Visual C++ 2008 to 2015.
    "x64": """
        2194 315 198 159 101 124 35 63 162 42 52 52 74 74 23 300
        114 28 17 20 30 127 38 20 87 21 19 23 23 30 15 35
        205 15 18 22 546 36 12 12 65 11 15 62 13 17 14 12
        103 14 11 242 19 16 10 12 90 53 21 156 32 31 10 13
        156 393 30 38 332 187 15 29 1406 198 19 38 309 103 12 17
        61 20 9 31 66 48 27 45 62 12 11 29 113 45 25 47
        41 10 8 56 46 12 74 11 30 12 7 23 45 11 9 10
        41 7 29 28 323 195 16 23 37 15 8 13 67 20 24 21
        90 48 11 457 141 239 13 17 59 368 41 996 26 296 11 12
        39 6 7 10 18 12 9 7 15 7 7 6 17 6 6 7
        25 11 7 7 7 7 6 4 15 6 10 7 9 5 8 8
        19 8 8 7 8 6 39 36 63 54 57 21 12 11 20 19
        249 118 57 169 111 41 67 116 113 127 36 63 236 33 38 50
        49 32 85 27 17 24 23 23 64 33 17 42 11 15 11 18
        49 21 16 20 18 11 10 12 395 115 30 149 92 24 11 16
        58 22 21 20 14 16 68 48 100 38 29 31 29 50 114 985""",
    # 32-bit code of GCC (MinGW), with its alignment bytes and constants.
    "gcc": """
        3784 412 209 153 442 78 72 61 233 46 49 32 165 27 80 354
        173 21 23 22 120 45 17 18 108 19 15 17 112 19 18 28
        74 19 10 13 1099 45 60 30 94 49 3 13 76 0 57 10
        119 118 36 33 131 28 39 35 74 87 43 37 85 44 27 25
        117 27 26 59 470 36 15 36 40 8 15 12 88 3 27 2
        49 15 0 38 109 44 43 14 37 9 13 66 78 41 55 173
        31 30 15 0 16 0 117 28 0 0 6 12 45 0 0 0
        91 23 0 0 150 66 51 42 24 10 6 9 96 14 19 19
        97 63 31 370 140 254 27 30 59 753 10 541 76 259 22 14
        276 38 14 14 35 12 9 10 18 14 8 8 23 9 9 9
        27 38 7 19 17 10 11 10 19 7 6 8 25 13 6 15
        25 10 10 8 44 8 77 29 67 37 24 21 49 12 23 29
        207 84 54 131 81 31 61 287 68 39 20 14 16 9 11 11
        52 19 48 40 17 12 15 20 64 48 20 52 70 30 24 19
        40 17 22 16 20 13 15 14 234 131 25 74 114 24 18 16
        49 23 20 23 17 16 62 37 66 37 41 31 36 36 70 743""",
    # 32-bit code of Delphi, with its run-time type information.
    "delphi": """
        2888 322 127 140 178 96 62 44 163 39 60 45 98 32 31 76
        138 31 34 17 70 35 21 17 56 23 32 19 44 11 42 30
        175 33 41 10 138 28 22 9 40 24 41 42 61 16 92 22
        106 64 63 211 67 49 47 42 85 57 57 71 82 71 53 57
        276 42 72 59 84 470 46 20 60 39 46 31 58 62 41 32
        147 51 34 98 71 268 67 45 53 127 69 77 34 74 80 103
        21 0 18 0 79 0 55 0 94 0 86 22 0 8 0 0
        10 67 0 0 41 58 14 14 35 0 29 18 45 38 34 16
        106 34 16 161 61 116 18 13 49 248 61 983 27 267 24 30
        52 10 21 12 21 48 21 19 30 22 31 19 34 23 27 39
        31 58 24 41 31 23 25 20 48 30 184 36 34 28 26 41
        37 15 39 17 25 14 20 15 73 42 104 26 40 8 31 24
        238 17 38 172 61 13 74 44 42 29 34 18 35 12 19 23
        44 15 50 24 34 20 30 20 81 27 36 67 41 17 21 21
        52 12 21 12 48 39 19 17 610 105 55 121 135 60 36 39
        130 26 39 27 107 17 41 28 155 44 64 87 271 69 117 1494""",
    # Native code of Visual Basic 6, with its form and procedure tables.
    "vb": """
        5105 151 116 96 147 46 74 89 154 33 56 42 86 54 31 46
        115 80 41 39 76 67 36 37 55 32 37 72 60 39 43 36
        42 38 38 39 53 41 30 27 49 24 27 29 37 20 30 23
        50 46 37 45 85 36 29 28 44 30 26 25 50 30 20 20
        314 83 88 21 58 359 23 18 47 25 20 17 39 122 30 20
        499 43 37 37 49 39 49 31 63 42 19 35 48 23 21 53
        35 18 30 16 52 0 64 13 132 0 145 23 55 20 0 2
        40 25 14 11 27 85 35 24 41 16 20 18 34 50 16 21
        104 24 15 122 52 337 16 15 43 165 15 255 38 513 16 20
        48 20 19 16 44 35 12 13 35 16 12 13 39 21 16 14
        40 24 35 12 38 38 13 13 27 11 16 13 42 18 15 13
        37 12 15 14 45 52 15 14 44 17 22 14 37 31 15 20
        76 18 16 28 96 11 16 179 46 19 12 15 52 11 16 18
        103 17 16 23 46 15 28 25 58 26 22 43 49 35 30 27
        62 27 42 29 46 21 22 24 403 19 13 47 46 13 15 25
        42 15 19 44 62 38 31 53 45 43 34 48 158 139 371 2117""",
    # Intermediate language and metadata tables of .NET, without the names.
    "cli": """
        10540 624 451 219 317 115 219 110 155 75 458 62 54 61 97 38
        69 147 117 101 42 60 72 63 43 28 41 43 41 36 32 42
        7 32 25 46 39 0 32 16 179 13 62 61 61 0 142 11
        99 43 19 25 33 50 38 15 24 25 9 18 25 33 33 22
        45 17 33 10 65 4 0 0 7 22 5 15 8 5 25 8
        0 8 23 30 36 24 29 0 16 7 9 5 0 3 8 118
        20 51 48 12 0 0 0 27 0 0 6 16 0 51 0 223
        126 15 113 39 0 16 8 0 0 1 0 80 8 31 43 5
        112 32 21 22 23 22 41 11 19 21 12 15 30 20 18 14
        30 28 17 26 44 38 20 18 14 47 15 21 30 21 24 13
        34 24 34 20 20 15 13 25 23 30 36 9 12 14 13 11
        15 15 12 14 12 9 7 11 13 16 10 9 11 15 12 12
        16 12 22 46 16 13 24 15 13 18 13 17 27 15 17 12
        52 9 6 8 8 6 16 260 10 8 12 9 12 7 12 8
        15 9 12 14 30 18 17 17 17 17 13 15 19 13 15 18
        18 20 13 13 18 14 18 7 8 8 8 7 8 24 23 103""",
    # Base relocations: 16-bit entries of type 3, little endian.
    "reloc": """
        2704 52 41 46 84 38 38 32 65 24 26 27 75 32 19 28
        65 24 22 40 61 23 29 26 69 32 17 26 61 28 27 38
        65 29 26 24 67 23 22 20 52 28 22 31 50 24 22 28
        681 600 591 549 597 554 480 528 601 698 692 453 450 505 556 513
        61 22 28 32 74 22 29 31 72 23 26 17 59 28 27 24
        79 18 35 28 55 18 18 28 65 33 24 22 49 18 28 17
        67 28 24 32 56 20 38 24 74 20 32 27 54 27 27 41
        70 28 32 22 49 22 20 28 64 27 22 23 63 33 19 20
        77 31 33 28 59 23 29 24 47 23 22 23 54 20 13 23
        65 40 22 32 46 35 28 22 43 18 20 28 51 22 26 31
        70 18 28 27 56 22 24 27 46 15 19 26 59 27 26 17
        67 20 31 24 50 31 23 18 46 18 33 24 42 24 22 33
        61 22 19 28 52 28 29 23 51 32 35 33 52 24 23 32
        67 22 26 31 52 23 28 31 55 26 26 29 60 23 26 19
        60 33 23 22 52 23 26 27 56 22 22 27 59 18 28 27
        74 19 28 24 52 26 37 31 63 23 29 26 60 26 20 28""",
}

# Frequency of each printable character, 20 to 7f, within strings, per 20,000.
_CHARACTER_TABLES = {
    # What 32-bit code spells by chance: SVW, PQ, t and j with small operands.
    "x86": """
        234 13 73 26 360 49 36 9 120 43 49 122 111 77 51 26
        216 94 34 118 86 77 32 26 204 302 92 534 349 88 81 45
        259 216 169 126 107 51 401 77 351 32 13 54 71 94 26 30
        1899 341 66 2932 99 90 1914 1027 276 244 126 167 81 225 317 180
        62 34 13 4 34 24 360 60 396 13 889 13 49 11 13 24
        120 15 99 62 889 433 86 36 41 19 9 13 77 24 90 146""",
    # 64-bit code: register prefixes (A, H, L), D$, \\$, t$.
    "x64": """
        708 135 23 42 1475 28 40 23 75 33 7 96 20 22 15 8
        243 18 5 333 85 13 7 12 416 401 83 361 105 37 5 12
        396 3469 23 27 715 306 0 33 1392 76 5 17 359 33 3 7
        80 0 3 110 670 730 614 672 91 5 2 72 707 665 587 617
        72 0 12 186 83 22 356 38 42 7 5 20 161 3 2 17
        63 10 25 38 629 253 22 8 210 12 3 10 228 8 20 68""",
    # Messages, names of functions, paths.
    "text": """
        1080 15 29 17 19 159 15 47 50 46 57 17 24 136 126 37
        89 36 53 44 21 16 42 22 28 26 58 12 18 14 16 15
        11 215 47 272 116 150 168 150 77 138 30 34 121 142 74 111
        212 24 150 260 149 60 61 109 23 25 22 16 52 17 14 144
        39 1004 163 514 559 1935 219 289 315 1129 37 89 823 340 1079 1022
        379 23 1053 834 1380 416 131 121 148 268 56 16 11 9 11 14""",
}


def _table(text: str) -> np.ndarray:
    counts = np.array(text.split(), dtype=np.float64) + 0.2  # no byte is impossible
    return np.asarray(counts / counts.sum())


def _mixture(*parts: tuple[float, np.ndarray]) -> np.ndarray:
    total = sum(weight * table for weight, table in parts)
    return np.asarray(total / np.sum(total))


def _peaks(**weights: float) -> np.ndarray:
    """A table with weight on single bytes only, e.g. `_peaks(x00=0.5, xff=0.1)`."""
    table = np.zeros(256)
    for name, weight in weights.items():
        table[int(name[1:], 16)] = weight
    return np.asarray(table / table.sum())


_UNIFORM = np.full(256, 1 / 256)
_ZERO = _peaks(x00=1.0)
_INT3 = _peaks(xcc=1.0)
_CHARACTERS = {name: _table(text) for name, text in _CHARACTER_TABLES.items()}
# The names of a .NET program repeat a few words, mostly in lower case.
_CHARACTERS["identifiers"] = _CHARACTERS["text"] ** 1.25 / (_CHARACTERS["text"] ** 1.25).sum()
_CHARACTERS["random"] = np.full(96, 1 / 96)
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_CHARACTERS["base64"] = np.bincount(np.frombuffer(_ALPHABET, np.uint8) - 32, minlength=96) / 64
_PADDING = b"PADDINGXXPADDING"
_CHARACTERS["padding"] = np.bincount(np.frombuffer(_PADDING, np.uint8) - 32, minlength=96) / 16
_DIGITS = b"0123456789:;<=>?"  # high halves of relocations are 30 to 3f
_CHARACTERS["reloc"] = _mixture(
    (0.6, np.bincount(np.frombuffer(_DIGITS, np.uint8) - 32, minlength=96) / 16),
    (0.4, _CHARACTERS["random"]),
)
_CHARACTERS["mixed"] = _mixture((0.5, _CHARACTERS["text"]), (0.5, _CHARACTERS["random"]))
_MARKUP = np.zeros(96)
_MARKUP[np.frombuffer(b'<></=""::.--', np.uint8) - 32] += 0.02
_CHARACTERS["markup"] = _mixture((0.8, _CHARACTERS["text"]), (0.2, _MARKUP))


def _spread(characters: str) -> np.ndarray:
    table = np.zeros(256)
    table[32:128] = _CHARACTERS[characters]
    return table


_SMALL = 1.0 / (1.0 + np.arange(256.0)) ** 1.2  # small integers are common, large ones rare
_SMALL /= _SMALL.sum()
_CODE = {name: _table(text) for name, text in _BYTE_TABLES.items()}
_TEXT = _mixture((0.93, _spread("text")), (0.07, _peaks(x00=0.6, x0d=0.15, x0a=0.15, x09=0.1)))


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


def _kind(
    table: np.ndarray,
    spread: tuple[float, float, float],
    strings: tuple[float, float, str],
) -> Kind:
    rate, length, characters = strings
    return Kind(table, *spread, rate, length, _CHARACTERS[characters])


KINDS: dict[str, Kind] = {
    # The launchers are mostly C runtime; application code is a little more like GCC's, has more
    # small offsets, and int3 (cc) between its functions.
    "x86": _kind(
        _mixture(
            (0.77, _CODE["x86"]), (0.13, _CODE["gcc"]), (0.05, _SMALL), (0.04, _ZERO), (0.01, _INT3)
        ),
        (75, 0.10, 0.25),
        (1.9, 5.7, "x86"),
    ),
    "x64": _kind(
        _mixture((0.85, _CODE["x64"]), (0.06, _SMALL), (0.075, _ZERO), (0.015, _INT3)),
        (90, 0.10, 0.25),
        (3.6, 6.6, "x64"),
    ),
    "gcc": _kind(_CODE["gcc"], (60, 0.12, 0.28), (2.2, 5.8, "x86")),
    "delphi": _kind(_CODE["delphi"], (45, 0.10, 0.25), (4.0, 7.5, "mixed")),
    "vb": _kind(_CODE["vb"], (25, 0.15, 0.35), (2.8, 7.0, "mixed")),
    "cli": _kind(
        _mixture((0.88, _CODE["cli"]), (0.12, _ZERO)), (12, 0.20, 0.30), (0.3, 6.5, "mixed")
    ),
    # Precompiled .NET: code, its tables and the metadata it carries along.
    "ngen": _kind(
        _mixture((0.58, _CODE["x64"]), (0.32, _CODE["cli"]), (0.10, _ZERO)),
        (18, 0.15, 0.30),
        (2.2, 9.0, "mixed"),
    ),
    # Morphed or obfuscated code: junk instructions flatten the distribution.
    "morphed": _kind(
        _mixture((0.6, _CODE["x86"]), (0.4, _UNIFORM)), (90, 0.20, 0.35), (2.8, 5.8, "random")
    ),
    "text": _kind(_TEXT, (90, 0.10, 0.30), (50.0, 18.5, "text")),
    "identifiers": _kind(
        _mixture((0.94, _spread("identifiers")), (0.06, _ZERO)),
        (60, 0.10, 0.30),
        (50.0, 18.5, "identifiers"),
    ),
    "names": _kind(  # import names, each after a two-byte hint
        _mixture((0.82, _spread("text")), (0.18, _peaks(x00=0.7, x01=0.2, x02=0.1))),
        (110, 0.08, 0.25),
        (56.0, 14.8, "text"),
    ),
    "markup": _kind(
        _mixture((0.97, _spread("markup")), (0.03, _peaks(x0d=0.5, x0a=0.5))),
        (150, 0.10, 0.30),
        (16.0, 60.0, "markup"),
    ),
    "wide": _kind(  # UTF-16: version information, dialogs, string tables
        _mixture((0.57, _ZERO), (0.38, _spread("text")), (0.05, _SMALL)),
        (35, 0.12, 0.35),
        (0.25, 6.0, "text"),
    ),
    "data": _kind(  # tables, pointers to the image base (40 00), small integers
        _mixture((0.50, _ZERO), (0.22, _SMALL), (0.08, _peaks(x40=0.5, xff=0.5)), (0.2, _UNIFORM)),
        (5, 0.35, 0.60),
        (0.7, 6.5, "mixed"),
    ),
    "pointers": _kind(  # 64-bit unwind tables, import thunks
        _mixture((0.38, _ZERO), (0.35, _SMALL), (0.27, _UNIFORM)),
        (30, 0.20, 0.45),
        (0.3, 6, "mixed"),
    ),
    "icon": _kind(  # bitmaps and icons: background, mask and a palette
        _mixture((0.30, _ZERO), (0.16, _peaks(xff=0.7, x80=0.15, xc0=0.15)), (0.54, _UNIFORM)),
        (6, 0.60, 0.90),
        (2.0, 9.0, "random"),
    ),
    "reloc": _kind(_CODE["reloc"], (60, 0.12, 0.25), (20.0, 7.5, "reloc")),
    "packed": _kind(_UNIFORM, (950, 0.01, 0.03), (4.7, 5.6, "random")),
    "cipher": _kind(_UNIFORM, (60, 0.35, 0.70), (3.6, 5.9, "random")),  # weak encryption
    "base64": _kind(
        _mixture((0.985, _spread("base64")), (0.015, _peaks(x0d=0.5, x0a=0.5))),
        (900, 0.02, 0.08),
        (0.6, 1500.0, "base64"),
    ),
    "padding": _kind(_spread("padding"), (5000, 0.0, 0.0), (1.0, 1000.0, "padding")),
    "zero": _kind(_ZERO, (5000, 0.0, 0.0), (0.0, 5.0, "text")),
    "header": _kind(  # DOS stub, PE header, section table
        _mixture(
            (0.68, _ZERO),
            (0.14, _spread("text")),
            (0.16, _UNIFORM),
            (0.02, _peaks(x4d=0.5, x5a=0.5)),
        ),
        (100, 0.10, 0.30),
        (8.0, 9.0, "text"),
    ),
    "certificate": _kind(
        _mixture((0.42, _spread("text")), (0.52, _UNIFORM), (0.06, _peaks(x30=0.5, x06=0.5))),
        (40, 0.08, 0.20),
        (14.0, 16.0, "text"),
    ),
    "symbols": _kind(  # COFF symbol table and its names, debugging information
        _mixture((0.50, _ZERO), (0.30, _spread("text")), (0.20, _SMALL)),
        (25, 0.15, 0.35),
        (14.0, 12.0, "text"),
    ),
}

KIND_INDEX: dict[str, int] = {name: index for index, name in enumerate(KINDS)}
