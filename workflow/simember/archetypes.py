"""Archetypes: what a toolchain writes into a file, and how often each class uses which.

A toolchain (compiler and linker of one generation) fixes header fields, section table, run-time
imports and kind of code; a form is what is built with it (program, library, ...); a packaging is
what happened to the file afterwards (packer, crypter, installer, infection). How often each class
uses which is in `mixes`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

CODE, READ, WRITE = 0x60000020, 0x40000040, 0xC0000040
DISCARD, BSS, PLAIN_WRITE = 0x42000040, 0xC0000080, 0xC0000000

# What each role of a section has for flags unless the toolchain says otherwise.
ROLE_FLAGS = {
    "code": CODE, "itext": CODE, "page": CODE, "init": 0xE2000020, "rdata": READ, "data": WRITE,
    "bss": BSS, "idata": WRITE, "edata": READ, "rsrc": READ, "reloc": DISCARD, "pdata": READ,
    "xdata": READ, "tls": WRITE, "crt": WRITE, "small": READ, "delay": WRITE, "debug": DISCARD,
    "eh_frame": READ, "il": CODE, "ngen_code": CODE, "ngen_data": WRITE, "ngen_x": 0xE0000040,
}  # fmt: skip

_GCC = {
    "code": 0x60500060, "data": 0xC0300040, "rdata": 0x40300040, "bss": 0xC0600080,
    "edata": 0x40300040, "idata": 0xC0300040, "crt": 0xC0300040, "tls": 0xC0300040,
    "rsrc": 0xC0300040, "reloc": 0x42300040, "eh_frame": 0x40300040, "debug": 0x42100040,
    "pdata": 0x40300040, "xdata": 0x40300040,
}  # fmt: skip
_DELPHI = {"bss": PLAIN_WRITE, "tls": PLAIN_WRITE, "rdata": 0x50000040, "reloc": 0x50000040,
           "rsrc": 0x50000040, "edata": READ}  # fmt: skip
_DELPHI_UNICODE = {**_DELPHI, "rdata": READ, "reloc": DISCARD, "rsrc": READ}


@dataclass(frozen=True)
class Toolchain:
    """A compiler and linker of one generation.

    Pairs and choices are tuples of (weight, value). `sections` maps a form to the section table as
    `name:role` words; a name in parentheses appears in about half of the programs. `runtimes` are
    the bundles of `names.RUNTIMES` that every program of it imports.
    """

    name: str
    years: tuple[int, int]
    linkers: tuple[tuple[float, tuple[int, int]], ...]
    system: tuple[tuple[float, tuple[int, int]], ...]
    sections: dict[str, str]
    runtimes: dict[str, tuple[tuple[float, str], ...]]
    code: str = "x86"
    bits: int = 32
    file_alignment: tuple[tuple[float, int], ...] = ((1.0, 512),)
    pe_offset: int = 0xF0
    coff: dict[str, int] = field(default_factory=lambda: {"exe": 0x103, "dll": 0x2102})
    dll_words: tuple[tuple[float, int], ...] = ((1.0, 0),)
    flags: dict[str, int] = field(default_factory=dict)
    tls: float = 0.0
    symbols: float = 0.0
    heap_commit: int = 4096
    stamp: str = "link"  # link | fixed1992 | random | zero
    code_size: float = 1.0  # relative to what the form says
    dlls: dict[str, str] = field(default_factory=dict)  # what {crt}, {mfc}, ... stand for
    image_version: tuple[tuple[float, tuple[int, int]], ...] = ((0.9, (0, 0)), (0.1, (1, 0)))


_NONE, _NX = 0x0000, 0x0140
_VC_EXE = ".text:code .rdata:rdata .data:data .rsrc:rsrc"
_VC_DLL = ".text:code .rdata:rdata .data:data .rsrc:rsrc .reloc:reloc"
_VC64 = ".text:code .rdata:rdata .data:data .pdata:pdata .rsrc:rsrc .reloc:reloc"
_VC14 = ".text:code .rdata:rdata .data:data (.gfids:small) (.tls:tls) .rsrc:rsrc .reloc:reloc"
_VC14_64 = _VC14.replace(".data:data", ".data:data .pdata:pdata")
_WIN10 = ".text:code .data:data .idata:idata (.didat:delay) .rsrc:rsrc .reloc:reloc"
_COFF6 = {"exe": 0x10F, "dll": 0x210E}
_COFF64 = {"exe": 0x22, "dll": 0x2022}
_COFF_RELOC = {"exe": 0x102, "dll": 0x2102}
_COFF_DELPHI = {"exe": 0x818E, "dll": 0xA18E}


def _vc_runtimes(
    static: str, crt: str, mfc: str | None
) -> dict[str, tuple[tuple[float, str], ...]]:
    dynamic = crt + " crt_calls"
    choices = [(0.62, static), (0.30, dynamic)]
    library = [(0.42, static), (0.46, dynamic)]
    if mfc:
        choices.append((0.08, f"{mfc} {crt}"))
        library.append((0.12, f"{mfc} {crt}"))
    return {"exe": tuple(choices), "dll": tuple(library)}


_TOOLCHAINS = [
    Toolchain(
        "vc5", (1996, 2001),
        linkers=((0.5, (5, 0)), (0.3, (5, 10)), (0.2, (4, 20))),
        system=((1.0, (4, 0)),),
        sections={"exe": ".text:code .rdata:rdata .data:data .idata:idata .rsrc:rsrc",
                  "dll": ".text:code .rdata:rdata .data:data .idata:idata .rsrc:rsrc .reloc:reloc"},
        runtimes=_vc_runtimes("crt6", "msvcrt", None),
        coff=_COFF6, pe_offset=0x80, dlls={"crt": "MSVCRT.dll", "cpp": "MSVCP50.dll"},
    ),
    Toolchain(
        "vc6", (1998, 2017),
        linkers=((1.0, (6, 0)),),
        system=((1.0, (4, 0)),),
        sections={"exe": _VC_EXE, "dll": _VC_DLL},
        runtimes=_vc_runtimes("crt6", "msvcrt", "mfc6"),
        file_alignment=((0.75, 4096), (0.25, 512)),
        coff=_COFF6, pe_offset=0xD8, dlls={"crt": "MSVCRT.dll", "cpp": "MSVCP60.dll"},
    ),
    Toolchain(
        "vc71", (2003, 2016),
        linkers=((1.0, (7, 10)), (0.1, (7, 0))),
        system=((1.0, (4, 0)),),
        sections={"exe": _VC_EXE, "dll": _VC_DLL},
        runtimes=_vc_runtimes("crt71", "msvcr", "mfc"),
        file_alignment=((0.75, 4096), (0.25, 512)),
        coff={"exe": 0x10F, "dll": 0x210E}, pe_offset=0xE8,
        dlls={"crt": "MSVCR71.dll", "cpp": "MSVCP71.dll", "mfc": "MFC71.DLL"},
    ),
    Toolchain(
        "vc8", (2005, 2017),
        linkers=((1.0, (8, 0)),),
        system=((1.0, (4, 0)),),
        sections={"exe": _VC_EXE, "dll": _VC_DLL},
        runtimes=_vc_runtimes("crt9", "msvcr", "mfc"),
        file_alignment=((0.75, 4096), (0.25, 512)),
        dll_words=((0.7, _NONE), (0.2, 0x8000), (0.1, 0x8140)),
        dlls={"crt": "MSVCR80.dll", "cpp": "MSVCP80.dll", "mfc": "MFC80U.DLL"},
    ),
    Toolchain(
        "vc9", (2008, 2017),
        linkers=((1.0, (9, 0)),),
        system=((1.0, (5, 0)),),
        sections={"exe": _VC_EXE, "dll": _VC_DLL},
        runtimes=_vc_runtimes("crt9", "msvcr", "mfc"),
        dll_words=((0.45, 0x8140), (0.25, 0x8100), (0.2, 0x8000), (0.1, _NX)),
        dlls={"crt": "MSVCR90.dll", "cpp": "MSVCP90.dll", "mfc": "mfc90.dll"},
    ),
    Toolchain(
        "vc10", (2010, 2017),
        linkers=((1.0, (10, 0)),),
        system=((1.0, (5, 1)),),
        sections={"exe": _VC_DLL, "dll": _VC_DLL},
        runtimes=_vc_runtimes("crt10", "msvcr", "mfc"),
        coff=_COFF_RELOC,
        dll_words=((0.75, 0x8140), (0.15, 0x8100), (0.1, _NX)),
        dlls={"crt": "MSVCR100.dll", "cpp": "MSVCP100.dll", "mfc": "mfc100.dll"},
    ),
    Toolchain(
        "vc11", (2012, 2017),
        linkers=((1.0, (11, 0)),),
        system=((0.5, (6, 0)), (0.5, (5, 1))),
        sections={"exe": _VC_DLL, "dll": _VC_DLL},
        runtimes=_vc_runtimes("crt12", "msvcr", "mfc"),
        coff=_COFF_RELOC, dll_words=((0.85, 0x8140), (0.15, _NX)),
        dlls={"crt": "MSVCR110.dll", "cpp": "MSVCP110.dll", "mfc": "mfc110.dll"},
    ),
    Toolchain(
        "vc12", (2013, 2017),
        linkers=((1.0, (12, 0)),),
        system=((0.4, (6, 0)), (0.6, (5, 1))),
        sections={"exe": _VC_DLL, "dll": _VC_DLL},
        runtimes=_vc_runtimes("crt12", "msvcr", "mfc"),
        coff=_COFF_RELOC, dll_words=((0.85, 0x8140), (0.15, _NX)),
        dlls={"crt": "MSVCR120.dll", "cpp": "MSVCP120.dll", "mfc": "mfc120.dll"},
    ),
    Toolchain(
        "vc14", (2015, 2017),
        linkers=((0.6, (14, 0)), (0.2, (14, 10)), (0.2, (14, 11))),
        system=((0.35, (6, 0)), (0.65, (5, 1))),
        sections={"exe": _VC14, "dll": _VC14},
        runtimes={"exe": ((0.7, "crt14"), (0.3, "ucrt")), "dll": ((0.4, "crt14"), (0.6, "ucrt"))},
        coff=_COFF_RELOC, dll_words=((0.85, 0x8140), (0.1, _NX), (0.05, 0xC140)), tls=0.4,
        dlls={"crt": "VCRUNTIME140.dll", "cpp": "MSVCP140.dll"},
    ),
    Toolchain(
        "vc9x64", (2008, 2017),
        linkers=((0.35, (9, 0)), (0.45, (10, 0)), (0.2, (8, 0))),
        system=((1.0, (5, 2)),),
        sections={"exe": _VC64, "dll": _VC64},
        runtimes=_vc_runtimes("crt10", "msvcr64", "mfc"),
        code="x64", bits=64, coff=_COFF64, dll_words=((0.7, 0x8140), (0.3, _NX)),
        dlls={"crt": "MSVCR100.dll", "cpp": "MSVCP100.dll", "mfc": "mfc100.dll"},
    ),
    Toolchain(
        "vc12x64", (2012, 2017),
        linkers=((0.3, (11, 0)), (0.7, (12, 0))),
        system=((0.5, (6, 0)), (0.5, (5, 2))),
        sections={"exe": _VC64, "dll": _VC64},
        runtimes=_vc_runtimes("crt12", "msvcr64", "mfc"),
        code="x64", bits=64, coff=_COFF64, dll_words=((0.8, 0x8160), (0.2, 0x0160)),
        dlls={"crt": "MSVCR120.dll", "cpp": "MSVCP120.dll", "mfc": "mfc120.dll"},
    ),
    Toolchain(
        "vc14x64", (2015, 2017),
        linkers=((0.5, (14, 0)), (0.25, (14, 10)), (0.25, (14, 11))),
        system=((0.6, (6, 0)), (0.4, (5, 2))),
        sections={"exe": _VC14_64, "dll": _VC14_64},
        runtimes={"exe": ((0.65, "crt14"), (0.35, "ucrt")),
            "dll": ((0.35, "crt14"), (0.65, "ucrt"))},
        code="x64", bits=64, coff=_COFF64, dll_words=((0.85, 0x8160), (0.15, 0x0160)), tls=0.4,
        dlls={"crt": "VCRUNTIME140.dll", "cpp": "MSVCP140.dll"},
    ),
    # Parts of Windows itself: built with the system's own tools, against its own C runtime.
    Toolchain(
        "winxp", (2001, 2014),
        linkers=((0.8, (7, 10)), (0.2, (7, 0))),
        system=((1.0, (5, 1)), (0.3, (5, 2))),
        sections={"exe": ".text:code .data:data .rsrc:rsrc",
            "dll": ".text:code .data:data .rsrc:rsrc .reloc:reloc"},
        runtimes={"exe": ((1.0, "msvcrt crt_calls"),), "dll": ((1.0, "msvcrt_system crt_calls"),)},
        coff={"exe": 0x10F, "dll": 0x210E}, dll_words=((0.7, 0x8000), (0.3, _NONE)),
        image_version=((0.8, (5, 1)), (0.2, (5, 2))), dlls={"crt": "msvcrt.dll"}, pe_offset=0xE8,
    ),
    Toolchain(
        "win7", (2006, 2017),
        linkers=((0.3, (8, 0)), (0.6, (9, 0)), (0.1, (10, 10))),
        system=((0.7, (6, 1)), (0.3, (6, 0))),
        sections={"exe": ".text:code .data:data .rsrc:rsrc .reloc:reloc",
                  "dll": ".text:code .data:data .rsrc:rsrc .reloc:reloc"},
        runtimes={"exe": ((1.0, "msvcrt_system crt_calls api_sets"),),
                  "dll": ((1.0, "msvcrt_system crt_calls api_sets"),)},
        coff=_COFF_RELOC, dll_words=((0.8, 0x8140), (0.2, 0x0540)),
        image_version=((0.7, (6, 1)), (0.3, (6, 0))), dlls={"crt": "msvcrt.dll"},
    ),
    Toolchain(
        "win7x64", (2006, 2017),
        linkers=((0.3, (8, 0)), (0.7, (9, 0))),
        system=((0.7, (6, 1)), (0.3, (6, 0))),
        sections={"exe": ".text:code .rdata:rdata .data:data .pdata:pdata .rsrc:rsrc .reloc:reloc",
                  "dll": ".text:code .rdata:rdata .data:data .pdata:pdata .rsrc:rsrc .reloc:reloc"},
        runtimes={"exe": ((1.0, "msvcrt_system crt_calls api_sets"),),
                  "dll": ((1.0, "msvcrt_system crt_calls api_sets"),)},
        code="x64", bits=64, coff=_COFF64, dll_words=((0.8, 0x8140), (0.2, _NX)),
        image_version=((0.7, (6, 1)), (0.3, (6, 0))), dlls={"crt": "msvcrt.dll"},
    ),
    Toolchain(
        "win10", (2012, 2017),
        linkers=((0.35, (11, 0)), (0.25, (12, 10)), (0.4, (14, 10)), (0.15, (14, 0))),
        system=((0.35, (6, 3)), (0.15, (6, 2)), (0.5, (10, 0))),
        sections={"exe": _WIN10, "dll": _WIN10},
        runtimes={"exe": ((1.0, "msvcrt_system crt_calls api_sets"),),
                  "dll": ((1.0, "msvcrt_system crt_calls api_sets"),)},
        flags={"idata": READ}, coff=_COFF_RELOC, dll_words=((0.7, 0x4140), (0.3, 0xC140)),
        image_version=((0.4, (6, 3)), (0.6, (10, 0))), dlls={"crt": "msvcrt.dll"}, stamp="random",
    ),
    Toolchain(
        "win10x64", (2012, 2017),
        linkers=((0.35, (11, 0)), (0.25, (12, 10)), (0.4, (14, 10)), (0.15, (14, 0))),
        system=((0.35, (6, 3)), (0.15, (6, 2)), (0.5, (10, 0))),
        sections={"exe": ".text:code .rdata:rdata .data:data .pdata:pdata (.didat:delay) "
                         ".rsrc:rsrc .reloc:reloc",
                  "dll": ".text:code .rdata:rdata .data:data .pdata:pdata (.didat:delay) "
                         ".rsrc:rsrc .reloc:reloc"},
        runtimes={"exe": ((1.0, "msvcrt_system crt_calls api_sets"),),
                  "dll": ((1.0, "msvcrt_system crt_calls api_sets"),)},
        code="x64", bits=64, coff=_COFF64, dll_words=((0.7, 0x4160), (0.3, 0xC160)), tls=0.1,
        image_version=((0.4, (6, 3)), (0.6, (10, 0))), dlls={"crt": "msvcrt.dll"}, stamp="random",
    ),
    Toolchain(
        "resources", (2003, 2017),  # localised resources: a library without code
        linkers=((0.4, (8, 0)), (0.2, (9, 0)), (0.2, (7, 10)), (0.1, (6, 0)), (0.1, (14, 0))),
        system=((0.5, (4, 0)), (0.3, (5, 0)), (0.2, (6, 0))),
        sections={"dll": "(.rdata:small) .rsrc:rsrc (.reloc:small)"},
        runtimes={"dll": ((1.0, ""),)},
        coff=_COFF_RELOC, dll_words=((0.4, _NONE), (0.6, 0x0540)),
        image_version=((0.6, (0, 0)), (0.4, (6, 1))), code_size=0.0,
    ),
    Toolchain(
        "vc_driver", (2001, 2017),
        linkers=((0.2, (7, 10)), (0.3, (8, 0)), (0.3, (9, 0)), (0.1, (11, 0)), (0.1, (14, 10))),
        system=((0.3, (5, 1)), (0.6, (6, 1)), (0.1, (10, 0))),
        sections={"driver": ".text:code .rdata:rdata .data:data (PAGE:page) INIT:init .rsrc:rsrc "
                            ".reloc:reloc"},
        runtimes={"driver": ((1.0, "nt_kernel kernel_device"),)},
        flags={"code": 0x68000020, "data": 0xC8000040, "rdata": 0x48000040},
        coff={"driver": 0x10E}, dll_words=((0.5, _NONE), (0.3, 0x0540), (0.2, 0x2000)),
        image_version=((0.5, (6, 1)), (0.5, (0, 0))), code_size=0.35,
    ),
    Toolchain(
        "vc_driver64", (2006, 2017),
        linkers=((0.3, (8, 0)), (0.4, (9, 0)), (0.2, (11, 0)), (0.1, (14, 10))),
        system=((0.2, (5, 2)), (0.7, (6, 1)), (0.1, (10, 0))),
        sections={"driver": ".text:code .rdata:rdata .data:data .pdata:pdata (PAGE:page) "
                            "INIT:init .rsrc:rsrc .reloc:reloc"},
        runtimes={"driver": ((1.0, "nt_kernel kernel_device"),)},
        flags={"code": 0x68000020, "data": 0xC8000040, "rdata": 0x48000040},
        code="x64", bits=64, coff={"driver": 0x22}, dll_words=((0.5, _NONE), (0.5, 0x0540)),
        image_version=((0.5, (6, 1)), (0.5, (0, 0))), code_size=0.35,
    ),
    Toolchain(
        "efi", (2010, 2017),
        linkers=((0.5, (0, 0)), (0.3, (2, 56)), (0.2, (9, 0))),
        system=((1.0, (0, 0)),),
        sections={"driver": ".text:code .data:data .reloc:small (.debug:small)"},
        runtimes={"driver": ((1.0, ""),)},
        code="x64", bits=64, coff={"driver": 0x202E}, file_alignment=((1.0, 32),), code_size=0.25,
        heap_commit=0, stamp="zero",
    ),
    Toolchain(
        "masm", (2000, 2017),
        linkers=((0.8, (5, 12)), (0.1, (6, 14)), (0.1, (5, 11))),
        system=((1.0, (4, 0)),),
        sections={"exe": ".text:code .rdata:rdata .data:data (.rsrc:rsrc)",
                  "dll": ".text:code .rdata:rdata .data:data (.rsrc:rsrc) .reloc:reloc"},
        runtimes={"exe": ((1.0, "stub"),), "dll": ((1.0, "stub"),)},
        coff=_COFF6, code_size=0.12, pe_offset=0xC0,
    ),
    Toolchain(
        "fasm", (2005, 2017),
        linkers=((0.7, (1, 70)), (0.3, (1, 69))),
        system=((0.7, (1, 0)), (0.3, (4, 0))),
        sections={"exe": ".text:code .data:data .idata:idata (.rsrc:rsrc)"},
        runtimes={"exe": ((1.0, "stub"),)},
        coff={"exe": 0x10F}, code_size=0.08, pe_offset=0x80,
    ),
    Toolchain(
        "vb6", (1998, 2017),
        linkers=((1.0, (6, 0)),),
        system=((1.0, (4, 0)),),
        sections={"exe": ".text:code .data:data .rsrc:rsrc",
            "dll": ".text:code .data:data .rsrc:rsrc .reloc:reloc"},
        runtimes={"exe": ((1.0, "vb6"),), "dll": ((1.0, "vb6"),)},
        code="vb", file_alignment=((1.0, 4096),), coff=_COFF6, pe_offset=0xB8, code_size=1.1,
        image_version=((0.7, (1, 0)), (0.15, (2, 0)), (0.15, (0, 0))),
    ),
    Toolchain(
        "delphi", (1996, 2017),
        linkers=((1.0, (2, 25)),),
        system=((0.85, (4, 0)), (0.15, (1, 0))),
        sections={"exe": "CODE:code DATA:data BSS:bss .idata:idata .tls:tls .rdata:small "
                         ".reloc:reloc .rsrc:rsrc",
                  "dll": "CODE:code DATA:data BSS:bss .idata:idata (.edata:edata) .reloc:reloc "
                         ".rsrc:rsrc"},
        runtimes={"exe": ((0.5, "delphi"), (0.5, "delphi vcl")),
            "dll": ((0.7, "delphi"), (0.3, "delphi vcl"))},
        code="delphi", coff=_COFF_DELPHI, flags=_DELPHI, pe_offset=0x100, tls=0.95,
        stamp="fixed1992", code_size=1.9,
    ),
    Toolchain(
        "delphi_xe", (2007, 2017),
        linkers=((1.0, (2, 25)),),
        system=((0.65, (5, 0)), (0.35, (4, 0))),
        sections={"exe": ".text:code .itext:itext .data:data .bss:bss .idata:idata "
                         "(.didata:delay) (.edata:edata) .tls:tls .rdata:small .reloc:reloc "
                         ".rsrc:rsrc",
                  "dll": ".text:code .itext:itext .data:data .bss:bss .idata:idata "
                         "(.didata:delay) .edata:edata .rdata:small .reloc:reloc .rsrc:rsrc"},
        runtimes={"exe": ((0.45, "delphi_unicode"), (0.55, "delphi_unicode vcl")),
                  "dll": ((0.6, "delphi_unicode"), (0.4, "delphi_unicode vcl"))},
        code="delphi", coff=_COFF_DELPHI, flags=_DELPHI_UNICODE, pe_offset=0x100, tls=0.95,
        code_size=3.2,
    ),
    Toolchain(
        "delphi_package", (2002, 2017),
        linkers=((1.0, (2, 25)),),
        system=((0.6, (4, 0)), (0.4, (5, 0))),
        sections={"dll": ".text:code .itext:itext .data:data .bss:bss .idata:idata .edata:edata "
                         ".reloc:reloc .rsrc:rsrc"},
        runtimes={"dll": ((1.0, "vcl_packages"),)},
        code="delphi", coff=_COFF_DELPHI, flags=_DELPHI_UNICODE, pe_offset=0x100,
        dlls={"rtl": "rtl140.bpl", "vcl": "vcl140.bpl"},
    ),
    Toolchain(
        "borland_c", (1998, 2014),
        linkers=((0.9, (5, 0)), (0.1, (2, 25))),
        system=((1.0, (4, 0)),),
        sections={"exe": ".text:code .data:data .tls:tls .rdata:small .idata:idata .edata:edata "
                         ".rsrc:rsrc .reloc:reloc",
                  "dll": ".text:code .data:data .tls:tls .idata:idata .edata:edata .rsrc:rsrc "
                         ".reloc:reloc"},
        runtimes={"exe": ((0.6, "borland_c"), (0.4, "borland_c vcl")),
            "dll": ((1.0, "borland_c"),)},
        coff={"exe": 0x818E, "dll": 0xA18E}, flags=_DELPHI_UNICODE, pe_offset=0x200, tls=0.8,
        code_size=2.0,
    ),
    Toolchain(
        "mingw", (2004, 2017),
        linkers=((0.55, (2, 56)), (0.15, (2, 23)), (0.1, (2, 25)), (0.1, (2, 22)), (0.1, (2, 27))),
        system=((0.9, (4, 0)), (0.1, (1, 0))),
        sections={"exe": ".text:code .data:data .rdata:rdata (/4:eh_frame) .bss:bss .idata:idata "
                         "(.CRT:crt) (.tls:tls) .rsrc:rsrc"},
        runtimes={"exe": ((0.5, "mingw"), (0.5, "mingw crt_calls"))},
        code="gcc", coff={"exe": 0x30F}, flags=_GCC, pe_offset=0x80, tls=0.2, symbols=0.35,
        dlls={"crt": "msvcrt.dll"},
    ),
    Toolchain(
        "mingw_dll", (2010, 2017),
        linkers=((0.6, (2, 27)), (0.2, (2, 25)), (0.1, (2, 29)), (0.1, (2, 24))),
        system=((1.0, (4, 0)),),
        sections={"dll": ".text:code .data:data .rdata:rdata (/4:eh_frame) .bss:bss .edata:edata "
                         ".idata:idata .CRT:crt .tls:tls .rsrc:rsrc .reloc:reloc",
                  "exe": ".text:code .data:data .rdata:rdata (/4:eh_frame) .bss:bss .idata:idata "
                         ".CRT:crt .tls:tls (.rsrc:rsrc)"},
        runtimes={"dll": ((1.0, "mingw_dll crt_calls"),), "exe": ((1.0, "mingw_dll crt_calls"),)},
        code="gcc", coff={"dll": 0x230E, "exe": 0x30F}, flags=_GCC, pe_offset=0x80, tls=1.0,
        symbols=0.1,
        dlls={"crt": "msvcrt.dll"}, stamp="random", dll_words=((0.6, _NONE), (0.4, _NX)),
    ),
    Toolchain(
        "mingw64", (2012, 2017),
        linkers=((0.6, (2, 27)), (0.4, (2, 25))),
        system=((0.7, (4, 0)), (0.3, (5, 2))),
        sections={"dll": ".text:code .data:data .rdata:rdata .pdata:pdata .xdata:xdata .bss:bss "
                         ".edata:edata .idata:idata .CRT:crt .tls:tls (.rsrc:rsrc) .reloc:reloc",
                  "exe": ".text:code .data:data .rdata:rdata .pdata:pdata .xdata:xdata .bss:bss "
                         ".idata:idata .CRT:crt .tls:tls"},
        runtimes={"dll": ((1.0, "mingw64_dll crt_calls"),),
            "exe": ((1.0, "mingw64_dll crt_calls"),)},
        code="x64", bits=64, coff={"dll": 0x222E, "exe": 0x22F}, flags=_GCC, pe_offset=0x80,
        tls=1.0,
        symbols=0.15, dlls={"crt": "msvcrt.dll"}, stamp="random",
    ),
    Toolchain(
        "go", (2014, 2017),
        linkers=((0.9, (3, 0)), (0.1, (2, 24))),
        system=((1.0, (4, 0)),),
        sections={"exe": ".text:code .rdata:rdata .data:data .idata:idata .symtab:debug"},
        runtimes={"exe": ((1.0, "go"),)},
        coff={"exe": 0x303}, pe_offset=0x80, code_size=12.0, stamp="zero",
    ),
    Toolchain(
        "dotnet", (2003, 2017),
        linkers=((0.35, (8, 0)), (0.40, (11, 0)), (0.20, (48, 0)), (0.05, (6, 0))),
        system=((1.0, (4, 0)),),
        sections={"exe": ".text:il (.sdata:small) .rsrc:rsrc .reloc:small",
            "dll": ".text:il .rsrc:rsrc .reloc:small"},
        runtimes={"exe": ((1.0, "dotnet_exe"),), "dll": ((1.0, "dotnet_dll"),)},
        code="cli", coff={"exe": 0x102, "dll": 0x2102}, flags={"small": DISCARD}, pe_offset=0x80,
        file_alignment=((0.8, 512), (0.2, 4096)), dll_words=((1.0, 0x8540),), heap_commit=4096,
        image_version=((1.0, (0, 0)),),
    ),
    Toolchain(
        "ngen", (2009, 2017),  # .NET libraries compiled ahead of time on the machine
        linkers=((0.8, (11, 0)), (0.2, (8, 0))),
        system=((1.0, (5, 0)),),
        sections={"dll": ".data:ngen_data .xdata:ngen_x .text:ngen_code .reloc:reloc"},
        runtimes={"dll": ((1.0, ""),)},
        code="ngen", bits=64, coff={"dll": 0x2022}, dll_words=((0.8, 0x0540), (0.2, _NONE)),
        pe_offset=0x80,
        image_version=((1.0, (0, 0)),), heap_commit=0, code_size=5.0,
    ),
]  # fmt: skip

TOOLCHAINS: dict[str, Toolchain] = {toolchain.name: toolchain for toolchain in _TOOLCHAINS}
