"""What is true of every program that EMBER's extractor has seen, real or simulated.

The rules follow from how the features are counted (Anderson and Roth, arXiv 1804.04637) and from
the PE format. They hold on real rows too, so they test the world and not the generator. Rules
that only whole, well-formed files obey (real malware is truncated, overlaps its sections and lies
in its headers) stand apart in `check_layout`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.corpus.ember2024_layout import names
from dokunuki.corpus.layout import DATA_DIRECTORIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    Row = Mapping[str, Any]

_WINDOW, _STEP = 2048, 1024
_MACHINES_64 = frozenset({"AMD64", "IA64", "ARM64"})


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _windows(row: Row, histogram: np.ndarray, table: np.ndarray) -> list[str]:
    """The byte-entropy histogram: windows of 2,048 bytes that start every 1,024 bytes.

    Every window adds its counts of upper half-bytes to the line of its entropy, so a line holds
    whole windows; a byte lies in at most two windows; and since entropy is concave, the mean of a
    line's windows has at least the entropy that the line stands for.
    """
    found = []
    size = int(row["general"]["size"])
    windows = (size - _WINDOW) // _STEP + 1
    expected = windows * _WINDOW if size >= _WINDOW else size
    if table.sum() != expected:
        found.append(f"byteentropy sums to {table.sum()}, its windows hold {expected} bytes")
        return found
    lines = table.sum(axis=1)
    if size >= _WINDOW and (lines % _WINDOW).any():
        found.append(f"byteentropy: a line does not hold whole windows of {_WINDOW} bytes")
    left = 2 * histogram.reshape(16, 16).sum(axis=1) - table.sum(axis=0)
    if (left < 0).any():
        found.append("byteentropy counts a half-byte more than twice as often as histogram")
    for line in np.flatnonzero(lines):
        # Twice the entropy of half-bytes, at most 8; each line is half a bit wide.
        bits = 2 * _entropy(table[line])
        if bits < line / 2 - 1e-6:
            found.append(f"byteentropy: line {line} has entropy {bits:.3f} bits, less than it says")
        # A single window lies within its line, the last of which has no upper end.
        if lines[line] == min(size, _WINDOW) and line < 15 and bits > (line + 1) / 2 + 1e-6:
            found.append(f"byteentropy: line {line} holds a window of {bits:.3f} bits")
    return found


def _characters(row: Row, histogram: np.ndarray) -> list[str]:
    """Strings: runs of five or more printable bytes, 20 to 7f."""
    found = []
    strings = row["strings"]
    printable = np.asarray(strings["printabledist"], dtype=np.int64)
    number, printables = strings["numstrings"], strings["printables"]
    if printable.sum() != printables:
        found.append(f"printabledist sums to {printable.sum()}, printables is {printables}")
    if (printable > histogram[0x20:0x80]).any():
        found.append("printabledist counts a byte more often than histogram")
    if printables < 5 * number or (number == 0) != (printables == 0):
        found.append(f"{number} strings of at least 5 characters, but {printables} characters")
    if abs(strings["avlength"] * number - printables) > 1e-6 * max(1, printables):
        found.append(f"avlength {strings['avlength']} is not printables / numstrings")
    bits = _entropy(printable) if printables else 0.0
    if abs(strings["entropy"] - bits) > 1e-4:
        found.append(f"string entropy is {strings['entropy']}, printabledist has {bits:.6f} bits")
    return found


def _strings(row: Row, histogram: np.ndarray) -> list[str]:
    """What is looked for in the bytes, and what they allow."""
    found = _characters(row, histogram)
    strings = row["strings"]
    printable = np.asarray(strings["printabledist"], dtype=np.int64)

    def inside(character: str) -> int:
        return int(printable[ord(character) - 0x20])

    def anywhere(character: str) -> int:
        return int(histogram[ord(character)])

    if strings["paths"] > min(anywhere(":"), anywhere("\\")):
        found.append("paths: more `c:\\` than colons or backslashes")
    if strings["urls"] > inside(":") or 2 * strings["urls"] > inside("/"):
        found.append("urls: more `http://` than their characters allow")
    if strings["registry"] > inside("_"):
        found.append("registry: more `HKEY_` than underscores")
    if not 1 <= strings["MZ"] <= min(anywhere("M"), anywhere("Z")):
        found.append(f"MZ is {strings['MZ']}: a program starts with it, and M and Z bound it")
    return found


def _counts(row: Row, version: int) -> list[str]:
    """Imports and exports; ordinals count or do not, depending on what the parser can resolve."""
    found = []
    general = row["general"]
    names = [name for functions in row["imports"].values() for name in functions]
    marks = ("",) if version == 1 else ("", "ordinal")
    named = sum(name != "" and not (marks[-1] and name.startswith(marks[-1])) for name in names)
    if not named <= general["imports"] <= len(names):
        found.append(
            f"imports is {general['imports']}, {named} functions are imported by name and "
            f"{len(names) - named} by number"
        )
    if any(not functions for functions in row["imports"].values()):
        found.append("imports: a library without functions")
    if general["exports"] != len(row["exports"]):
        found.append(f"exports is {general['exports']}, the list holds {len(row['exports'])}")
    return found


def _sections(row: Row) -> list[str]:
    found = []
    general, header = row["general"], row["header"]
    sections = row["section"]["sections"]
    entry = row["section"]["entry"]
    if entry and entry not in [section["name"] for section in sections]:
        found.append(f"the entry section {entry!r} is not in the table")
    for section in sections:
        bits, size = section["entropy"], section["size"]
        if not -1e-9 <= bits <= min(8.0, np.log2(max(size, 1))) + 1e-6:
            found.append(f"section {section['name']!r} of {size} bytes has entropy {bits}")
        if section["vsize"] > general["vsize"]:
            found.append(f"section {section['name']!r} is larger in memory than the whole image")
    if header["optional"]["sizeof_code"] > general["vsize"]:
        found.append("sizeof_code is larger than the image in memory")
    if general["symbols"] * 18 > general["size"]:
        found.append("symbols: the table of 18 bytes each does not fit into the file")
    return found


def _header(row: Row) -> list[str]:
    found = []
    coff, optional = row["header"]["coff"], row["header"]["optional"]
    if (optional["magic"] == "PE32_PLUS") != (coff["machine"] in _MACHINES_64):
        found.append(f"machine {coff['machine']} does not go with {optional['magic']}")
    if "EXECUTABLE_IMAGE" not in coff["characteristics"]:
        found.append("characteristics lack EXECUTABLE_IMAGE")
    if not 0 <= coff["timestamp"] < 1 << 32:
        found.append(f"timestamp {coff['timestamp']} has more than 32 bits")
    for block in (coff["characteristics"], optional["dll_characteristics"]):
        if len(set(block)) != len(block):
            found.append("a flag is set twice")
    return found


def check_invariants(row: Row, version: int) -> list[str]:
    """What is wrong with a raw row: one sentence per broken rule, none when all hold.

    `row` must have the schema of EMBER's release of that `version` (1 or 2).
    """
    histogram = np.asarray(row["histogram"], dtype=np.int64)
    table = np.asarray(row["byteentropy"], dtype=np.int64).reshape(16, 16)
    size = row["general"]["size"]
    if histogram.sum() != size:
        return [f"histogram sums to {histogram.sum()}, size is {size}"]
    found = [
        *_windows(row, histogram, table),
        *_strings(row, histogram),
        *_counts(row, version),
        *_sections(row),
        *_header(row),
    ]
    if version == 2:
        given = [entry["name"] for entry in row["datadirectories"]]
        if given and given != list(DATA_DIRECTORIES)[: len(given)]:
            found.append("datadirectories are not in the order of the format")
    return found


def _patterns(row: Row) -> list[str]:
    """Counts of strings that match a pattern: whatever matches `powershell` matches `shell`."""
    counts, number = row["strings"]["string_counts"], row["strings"]["numstrings"]
    found = [f"{name}: {count} of {number} strings" for name, count in counts.items() if not count]
    found += [f"{name}: more than all strings" for name, count in counts.items() if count > number]
    for narrow, wide in (
        ("powershell", "shell"),
        ("Invoke-Command", "command"),
        ("Start-process", "process"),
    ):
        if counts.get(narrow, 0) > counts.get(wide, 0):
            found.append(f"{narrow}: more than {wide}, which matches them too")
    if counts.get("url", 0) > sum(counts.get(name, 0) for name in ("http://", "https://", "ftp")):
        found.append("url: more than http://, https:// and ftp:")
    return found


def _places(row: Row) -> list[str]:
    """Sizes and addresses: shares are of the file, and what is loaded lies in the image."""
    found = []
    size, optional = row["general"]["size"], row["header"]["optional"]
    sections, overlay = row["section"]["sections"], row["section"]["overlay"]
    for part in sections:
        if abs(part["size_ratio"] - part["size"] / size) > 1e-9:
            found.append(f"section {part['name']!r}: size_ratio {part['size_ratio']}")
        if abs(part["vsize_ratio"] - part["size"] / max(part["vsize"], 1)) > 1e-9:
            found.append(f"section {part['name']!r}: vsize_ratio {part['vsize_ratio']}")
        if part["name"] != part["name"].lower():
            found.append(f"section {part['name']!r} is not in lower case")
    if overlay["size"] > size or abs(overlay["size_ratio"] - overlay["size"] / size) > 1e-9:
        found.append(f"overlay of {overlay['size']} bytes, size_ratio {overlay['size_ratio']}")
    if not 0 <= optional["address_of_entrypoint"] <= optional["sizeof_image"]:
        found.append("the entry point lies outside the image")
    if row["header"]["coff"]["number_of_sections"] != len(sections):
        found.append("number_of_sections is not the length of the table")
    return found


def _signature(row: Row) -> list[str]:
    found = []
    said, stamp = row["authenticode"], row["header"]["coff"]["timestamp"]
    if said["latest_signing_time"] and not said["num_certs"]:
        found.append("signed at a time, but by nobody")
    # One signature tells both the time and the difference.
    told = said["num_certs"] == 1 and said["latest_signing_time"]
    if told and said["latest_signing_time"] - stamp != said["signing_time_diff"]:
        found.append("signing_time_diff is not the time from linking to signing")
    security = next(
        (part["size"] for part in row["datadirectories"][1:] if part["name"] == "SECURITY"), 0
    )
    if said["num_certs"] and not security:
        found.append("certificates without a directory for them")
    return found


def check_version_3(row: Row) -> list[str]:
    """The same of a raw row of feature version 3, of a program for Windows."""
    found = []
    histogram = np.asarray(row["histogram"], dtype=np.int64)
    table = np.asarray(row["byteentropy"], dtype=np.int64).reshape(16, 16)
    general, dos = row["general"], row["header"]["dos"]
    if histogram.sum() != general["size"]:
        return [f"histogram sums to {histogram.sum()}, size is {general['size']}"]
    if abs(general["entropy"] - _entropy(histogram)) > 1e-6:
        found.append(f"entropy is {general['entropy']}, of the histogram {_entropy(histogram)}")
    first = b"".join(dos[name].to_bytes(2, "little") for name in ("e_magic", "e_cblp"))
    if list(first) != general["start_bytes"] or first[:2] != b"MZ":
        found.append(f"start_bytes are {general['start_bytes']}, the DOS header has {list(first)}")
    given = [part["name"] for part in row["datadirectories"][1:]]
    if given != list(names().directories)[: len(given)]:
        found.append("datadirectories are not in the order of the format")
    if row["pefilewarnings"] != sorted(set(row["pefilewarnings"])):
        found.append("pefilewarnings are not sorted, or stand twice")
    return [
        *found,
        *_windows(row, histogram, table),
        *_characters(row, histogram),
        *_patterns(row),
        *_places(row),
        *_signature(row),
    ]


def check_layout(row: Row) -> list[str]:
    """What is wrong with the file layout, for a whole file with an honest header.

    Not for real rows in general: about one in seven breaks a rule here without being a mistake of
    the extractor.
    """
    found = []
    general, optional = row["general"], row["header"]["optional"]
    characteristics = row["header"]["coff"]["characteristics"]
    sections = row["section"]["sections"]
    names = [section["name"] for section in sections]
    used = optional["sizeof_headers"] + sum(section["size"] for section in sections)
    if used > general["size"]:
        found.append(f"headers and sections take {used} bytes of {general['size']}")
    page = 4096
    image = sum(
        -(-max(section["vsize"], 1) // page) * page
        for section in [{"vsize": optional["sizeof_headers"]}, *sections]
    )
    if image != general["vsize"]:
        found.append(f"headers and sections take {image} bytes in memory, vsize {general['vsize']}")
    if any(section["size"] == 0 and section["entropy"] != 0 for section in sections):
        found.append("an empty section has an entropy")
    if any(len(name) > 8 for name in names):
        found.append("a section name is longer than 8 bytes")
    if general["has_relocations"] and "RELOCS_STRIPPED" in characteristics:
        found.append("relocations are there and stripped")
    if general["has_signature"] and used >= general["size"]:
        found.append("has_signature without bytes behind the last section")
    if any(section["size"] > section["vsize"] + 65536 for section in sections):
        found.append("a section has far more bytes in the file than in memory")
    return found
