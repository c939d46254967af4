"""Flag words of the PE format, and the names that EMBER's parser gives to their bits."""

from __future__ import annotations

_COFF = {
    0x0001: "RELOCS_STRIPPED",
    0x0002: "EXECUTABLE_IMAGE",
    0x0004: "LINE_NUMS_STRIPPED",
    0x0008: "LOCAL_SYMS_STRIPPED",
    0x0020: "LARGE_ADDRESS_AWARE",
    0x0080: "BYTES_REVERSED_LO",
    0x0100: "CHARA_32BIT_MACHINE",
    0x0200: "DEBUG_STRIPPED",
    0x2000: "DLL",
    0x8000: "BYTES_REVERSED_HI",
}
_DLL = {
    0x0020: "HIGH_ENTROPY_VA",
    0x0040: "DYNAMIC_BASE",
    0x0100: "NX_COMPAT",
    0x0200: "NO_ISOLATION",
    0x0400: "NO_SEH",
    0x0800: "NO_BIND",
    0x2000: "WDM_DRIVER",
    0x4000: "GUARD_CF",
    0x8000: "TERMINAL_SERVER_AWARE",
}
_SECTION = {
    0x00000020: "CNT_CODE",
    0x00000040: "CNT_INITIALIZED_DATA",
    0x00000080: "CNT_UNINITIALIZED_DATA",
    # The alignment is a number of four bits. EMBER's parser tests each of its values as if it
    # were a flag, so that one alignment is reported as many; the same is done here.
    **{power + 1 << 20: f"ALIGN_{1 << power}BYTES" for power in range(14)},
    0x02000000: "MEM_DISCARDABLE",
    0x04000000: "MEM_NOT_CACHED",
    0x08000000: "MEM_NOT_PAGED",
    0x10000000: "MEM_SHARED",
    0x20000000: "MEM_EXECUTE",
    0x40000000: "MEM_READ",
    0x80000000: "MEM_WRITE",
}
# The parser does not know this one.
del _SECTION[0x00800000]


def coff_flags(word: int) -> list[str]:
    """Names of the COFF characteristics in `word`."""
    return [name for bit, name in _COFF.items() if word & bit]


def dll_flags(word: int) -> list[str]:
    """Names of the DLL characteristics in `word`."""
    return [name for bit, name in _DLL.items() if word & bit]


def section_flags(word: int) -> list[str]:
    """Names of the section characteristics in `word`, as EMBER's parser reports them."""
    return [name for bit, name in _SECTION.items() if word & bit]
