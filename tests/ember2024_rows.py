"""Rows of feature version 3 made up for tests, and their vectors by a plain reference.

Both are written from the published format of EMBER2024. The reference goes row by row and hands
everything to scikit-learn, with nothing in common with the library but the names of the columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.feature_extraction import FeatureHasher

from dokunuki.corpus.ember2024_layout import AUTHENTICODE, COFF_NUMBERS, OPTIONAL_NUMBERS, names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row = dict[str, Any]

_SECTIONS = (".text", ".data", ".rsrc", ".reloc", "", "upx0", ".rdata", "コード")
_PROPS = ("CNT_CODE", "CNT_INITIALIZED_DATA", "MEM_EXECUTE", "MEM_READ", "MEM_WRITE")
_LIBRARIES = ("KERNEL32.dll", "user32.dll", "kernel32.DLL", "WS2_32.dll", "mscoree.dll")


def raw_row_3(rng: np.random.Generator, label: int, *, program: bool = True) -> Row:
    """One row in the release's form, of a program for Windows or of another file.

    Its class can be told, though not too easily. It holds what the fixture's row lacks: many
    sections of equal names, imports by number, exports, a Rich header, signatures, warnings.
    """
    size = int(rng.integers(4_000, 400_000))
    share = rng.gamma(0.6 + 0.4 * label + np.linspace(0, 0.5, 256) * label, size=256)
    entropy_share = rng.gamma(0.3 + 0.3 * label * np.linspace(0, 1, 256), size=256)
    windows = 2048 * max(1, size // 1024 - 1)
    printable = rng.multinomial(int(rng.integers(100, 5_000)), np.full(96, 1 / 96))
    patterns = rng.choice(names().string_counts, size=12, replace=False).tolist()
    sha256 = rng.bytes(32).hex()
    row: Row = {
        "md5": sha256[:32],
        "sha1": sha256[:40],
        "sha256": sha256,
        "tlsh": "T1" + sha256.upper(),
        "first_submission_date": int(rng.integers(1_695_513_600, 1_734_000_000)),
        "last_analysis_date": 1_735_000_000,
        "detection_ratio": f"{40 * label}/77",
        "label": label,
        "file_type": "Win32" if program else "ELF",
        "family": "zbot" if label and rng.random() < 0.5 else None,
        "family_confidence": None,
        **{key: [] for key in ("behavior", "file_property", "packer", "exploit", "group")},
        "histogram": rng.multinomial(size, share / share.sum()).tolist(),
        "byteentropy": rng.multinomial(windows, entropy_share / entropy_share.sum()).tolist(),
        "strings": {
            "numstrings": int(rng.integers(10, 2_000)),
            "avlength": float(rng.uniform(5, 30)),
            "printabledist": printable.tolist(),
            "printables": int(printable.sum()),
            "entropy": float(rng.uniform(4, 6.5)),
            "string_counts": {name: int(rng.integers(1, 9 + 9 * label)) for name in patterns},
        },
        "general": {
            "size": size,
            "entropy": float(rng.uniform(4, 7 + label)),
            "is_pe": int(program),
            "start_bytes": [77, 90, 144, 0] if program else [127, 69, 76, 70],
        },
        "header": {},
        "section": {},
        "imports": {},
        "exports": [],
        "datadirectories": [],
        "richheader": [],
        "authenticode": {},
        "pefilewarnings": [],
        "week_id": 0,
    }
    return row | (_program(rng, label, size) if program else {})


def capa_copy(row: Row) -> Row:
    """The second copy of a row, as each was published: with what capa told of the file."""
    return row | {
        "caps": [{"Capability": "read file", "Namespace": "host/file", "Addrs": [4096]}],
        "ttps": [{"Tactic": "Discovery", "Technique": "File and Directory Discovery"}],
        "mbc": [{"Objective": "File System", "Behavior": "Read File"}],
    }


def _program(rng: np.random.Generator, label: int, size: int) -> Row:
    known = names()
    sections = [_section(rng, label, size) for _ in range(int(rng.integers(1, 40)))]
    signed = rng.random() < 0.6 - 0.5 * label
    chosen = rng.choice(_LIBRARIES, size=int(rng.integers(0, 5)), replace=False).tolist()
    return {
        "header": {
            "coff": {
                "timestamp": int(rng.integers(0, 1 << 32)),
                "machine": "IMAGE_FILE_MACHINE_" + ("I386", "AMD64", "NO_SUCH")[rng.integers(3)],
                "number_of_sections": len(sections),
                "number_of_symbols": 0,
                "sizeof_optional_header": 224,
                "pointer_to_symbol_table": 0,
                "characteristics": _some(rng, known.coff_flags),
            },
            "optional": {
                "magic": 267,
                "subsystem": "IMAGE_SUBSYSTEM_WINDOWS_" + ("GUI", "CUI")[rng.integers(2)],
                **{key: int(rng.integers(0, 9 + label)) for key in OPTIONAL_NUMBERS[:8]},
                **{key: int(rng.integers(0, 1 << 40)) for key in OPTIONAL_NUMBERS[8:]},
                "base_of_data": 0,
                "dll_characteristics": _some(rng, known.dll_flags),
            },
            "dos": {name: int(rng.integers(0, 1 << 16)) for name in known.dos_members},
        },
        "section": {
            "entry": sections[0]["name"],
            "sections": sections,
            "overlay": {
                "size": int(rng.integers(0, size)),
                "size_ratio": float(rng.random()),
                "entropy": float(rng.uniform(0, 8)),
            },
        },
        "imports": {
            library: [f"Function{rng.integers(20)}" for _ in range(5)] + [f"{library}:ordinal7"]
            for library in chosen
        },
        "exports": [f"Export{n}" for n in range(int(rng.integers(0, 9)) * (1 - label))],
        "datadirectories": [
            {"has_relocs": int(rng.integers(2)), "has_dynamic_relocs": int(rng.integers(2))},
            *(
                {
                    "name": name,
                    "size": int(rng.integers(0, 1 << 20)),
                    "virtual_address": int(rng.integers(0, 1 << 32)),
                }
                for name in known.directories[: int(rng.integers(0, 17))]
            ),
        ],
        "richheader": rng.integers(0, 1 << 24, size=int(rng.integers(0, 20))).tolist(),
        "authenticode": {
            "num_certs": int(signed),
            "self_signed": 0,
            "empty_program_name": int(signed),
            "no_countersigner": 0,
            "parse_error": 0,
            "chain_max_depth": 3 * int(signed),
            "latest_signing_time": 1_690_000_000.0 * signed,
            "signing_time_diff": float(rng.integers(-(10**9), 10**9)) * signed,
        },
        "pefilewarnings": sorted(_some(rng, known.warnings)[:4]),
    }


def _section(rng: np.random.Generator, label: int, size: int) -> Row:
    raw = int(rng.integers(0, 50)) * 512
    return {
        "name": _SECTIONS[rng.integers(len(_SECTIONS))],
        "size": raw,
        "entropy": float(rng.uniform(3, 6 + 2 * label)),
        "vsize": int(rng.integers(0, 30_000)),
        "size_ratio": raw / size,
        "vsize_ratio": float(rng.uniform(0, 40)),
        "props": _some(rng, _PROPS),
    }


def _some(rng: np.random.Generator, listed: Sequence[str]) -> list[str]:
    return [name for name in listed if rng.random() < 0.3]


def reference_vector(row: Row) -> np.ndarray:
    """The vector of one row, float32 (2568,), group after group as the format lists them."""
    return np.concatenate(
        [
            _general(row["general"]),
            _shares(row["histogram"]),
            _shares(row["byteentropy"]),
            _strings(row["strings"]),
            _header(row["header"]) if row["header"] else np.zeros(74),
            _sections(row["section"]) if row["section"] else np.zeros(224),
            _imports(row["imports"]),
            np.concatenate([[128.0], _hashed(128, row["exports"])])
            if row["exports"]
            else np.zeros(129),
            _directories(row["datadirectories"]),
            _rich(row["richheader"]),
            [row["authenticode"][key] for key, _ in AUTHENTICODE]
            if row["authenticode"]
            else np.zeros(8),
            _warnings(row["pefilewarnings"]),
        ]
    ).astype(np.float32)


def _general(block: Row) -> list[float]:
    return [block["size"], block["entropy"], block["is_pe"], *block["start_bytes"]]


def _shares(counts: list[int]) -> np.ndarray:
    single = np.array(counts, dtype=np.float32)
    return single / single.sum()


def _strings(block: Row) -> list[float]:
    return [
        block["numstrings"],
        block["avlength"],
        block["printables"],
        *(count / (block["printables"] or 1) for count in block["printabledist"]),
        block["entropy"],
        *(block["string_counts"].get(name, 0) for name in sorted(names().string_counts)),
    ]


def _header(block: Row) -> list[float]:
    known = names()
    coff, optional, dos = block["coff"], block["optional"], block["dos"]
    machine = coff["machine"].removeprefix("IMAGE_FILE_MACHINE_")
    subsystem = optional["subsystem"].removeprefix("IMAGE_SUBSYSTEM_")
    return [
        *(coff[key] for key in COFF_NUMBERS),
        known.machines.index(machine) if machine in known.machines else 0,
        known.subsystems.index(subsystem) if subsystem in known.subsystems else 0,
        *(optional[key] for key in OPTIONAL_NUMBERS),
        *(flag in coff["characteristics"] for flag in known.coff_flags),
        *(flag in optional["dll_characteristics"] for flag in known.dll_flags),
        *(dos[name] for name in known.dos_members),
    ]


def _sections(block: Row) -> np.ndarray:
    table, overlay = block["sections"], block["overlay"]
    numbers = [
        len(table),
        sum(part["size"] == 0 for part in table),
        sum(part["name"] == "" for part in table),
        sum({"MEM_READ", "MEM_EXECUTE"} <= set(part["props"]) for part in table),
        sum("MEM_WRITE" in part["props"] for part in table),
    ]
    for key in ("entropy", "size_ratio", "vsize_ratio"):
        values = [part[key] for part in table] + [0]
        values += [overlay[key]] if key in overlay else []
        numbers += [max(values), min(values)]
    hashes = [
        _hashed(50, [(part["name"], part[key]) for part in table], "pair")
        for key in ("size", "vsize", "entropy")
    ]
    props = [f"{part['name']}:{prop}" for part in table for prop in part["props"]]
    return np.concatenate(
        [
            numbers,
            *hashes,
            _hashed(50, props),
            _hashed(10, [block["entry"]]),
            [overlay["size"], overlay["size_ratio"], overlay["entropy"]],
        ]
    )


def _imports(block: dict[str, list[str]]) -> np.ndarray:
    libraries = {library.lower() for library in block}
    functions = [f"{lib.lower()}:{name}" for lib, listed in block.items() for name in listed]
    hashers = [
        FeatureHasher(width, input_type="string", alternate_sign=False) for width in (256, 1024)
    ]
    hashes = [
        hasher.transform([list(tokens)]).toarray()[0]
        for hasher, tokens in zip(hashers, (libraries, functions), strict=True)
    ]
    return np.concatenate([[len(functions), len(libraries)], *hashes])


def _directories(listed: list[Row]) -> np.ndarray:
    vector = np.zeros(34)
    if listed:
        for part in listed[1:-1]:
            place = names().directories.index(part["name"])
            vector[2 * place : 2 * place + 2] = part["size"], part["virtual_address"]
        vector[32:] = listed[0]["has_relocs"], listed[0]["has_dynamic_relocs"]
    return vector


def _rich(flat: list[int]) -> np.ndarray:
    pairs = [(str(flat[k]), flat[k + 1]) for k in range(0, len(flat) - 1, 2)]
    return np.concatenate([[len(pairs)], _hashed(32, pairs, "pair")])


def _warnings(given: list[str]) -> list[float]:
    return [*(float(text in given) for text in names().warnings), len(given)]


def _hashed(width: int, tokens: Iterable[Any], input_type: str = "string") -> np.ndarray:
    return FeatureHasher(width, input_type=input_type).transform([list(tokens)]).toarray()[0]
