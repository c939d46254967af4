"""Made-up files with the headers of a program and nothing that could run; real launchers."""

from __future__ import annotations

import struct
from importlib.util import find_spec
from pathlib import Path

CODE, DATA = 0x60000020, 0x40000040
_FILE_ALIGNMENT, _SECTION_ALIGNMENT = 0x200, 0x1000


def launchers():
    """The programs that setuptools puts into every environment, in their order."""
    return sorted(Path(find_spec("setuptools").origin).parent.glob("*.exe"))


def made_up_program(
    sections=(("text", CODE),),
    *,
    entry=0x1000,
    imagebase=0x400000,
    flags=0x0102,
    dll_flags=0x8140,
    machine=0x14C,
    subsystem=3,
):
    """The bytes of a 32-bit program whose sections, (name, characteristics) each, are zeros."""
    headers = bytearray(b"MZ" + bytes(58) + struct.pack("<I", 64))
    headers += b"PE\0\0" + struct.pack("<HHIIIHH", machine, len(sections), 7, 0, 0, 224, flags)
    headers += struct.pack("<HBBIIIIII", 0x10B, 14, 29, 0x200, 0, 0, entry, 0x1000, 0)
    headers += struct.pack("<III", imagebase, _SECTION_ALIGNMENT, _FILE_ALIGNMENT)
    headers += struct.pack("<HHHHHHI", 6, 1, 2, 3, 5, 4, 0)
    size = _SECTION_ALIGNMENT * (1 + len(sections))
    headers += struct.pack("<IIIHH", size, 0x400, 0, subsystem, dll_flags)
    headers += struct.pack("<IIIIII", 0, 0, 0, 0x1000, 0, 16) + bytes(128)
    for number, (name, characteristics) in enumerate(sections):
        encoded = name if isinstance(name, bytes) else name.encode()
        headers += encoded.ljust(8, b"\0")
        place = _SECTION_ALIGNMENT * (1 + number), _FILE_ALIGNMENT, 0x400 + 0x200 * number
        headers += struct.pack("<IIIIIIHHI", 0x180, *place, 0, 0, 0, 0, characteristics)
    return bytes(headers).ljust(0x400, b"\0") + bytes(_FILE_ALIGNMENT * len(sections))
