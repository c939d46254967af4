"""Who builds with what: the shares of the archetypes among goodware and malware of 2017.

An entry reads: share of the rows (any scale), toolchain, form, packaging. The shares are round
figures: what is known of the platform's history, brought in line with how often half of the real
sample rows show each archetype.
"""

from __future__ import annotations

Mix = tuple[tuple[float, str, str, str], ...]


def _mix(text: str) -> Mix:
    entries = []
    for entry in text.split(","):
        share, toolchain, form, packaging = entry.split()
        entries.append((float(share), toolchain, form, packaging))
    return tuple(entries)


GOODWARE = _mix("""
    15.0 dotnet dll plain, 3.4 dotnet exe plain, 8.5 ngen dll plain, 4.5 resources dll plain,
    1.3 efi driver plain, 1.3 vc_driver driver plain, 1.3 vc_driver64 driver plain,
    2.0 winxp dll plain, 0.7 winxp exe plain, 1.5 win7 dll plain, 0.5 win7 exe plain,
    2.0 win7x64 dll plain, 0.7 win7x64 exe plain, 1.5 win10 dll plain, 0.4 win10 exe plain,
    4.0 win10x64 dll plain, 0.7 win10x64 exe plain, 1.2 vc5 dll plain, 0.5 vc5 exe plain,
    4.0 vc6 dll plain, 1.5 vc6 exe plain, 2.0 vc71 dll plain, 0.8 vc71 exe plain,
    3.0 vc8 dll plain, 1.0 vc8 exe plain, 4.0 vc9 dll plain, 1.4 vc9 exe plain,
    3.0 vc10 dll plain, 1.4 vc10 exe plain, 1.5 vc11 dll plain, 0.3 vc11 exe plain,
    1.6 vc12 dll plain, 0.8 vc12 exe plain, 3.5 vc14 dll plain, 1.1 vc14 exe plain,
    2.0 vc9x64 dll plain, 0.5 vc9x64 exe plain, 2.0 vc12x64 dll plain, 0.5 vc12x64 exe plain,
    3.0 vc14x64 dll plain, 0.5 vc14x64 exe plain, 1.0 delphi exe plain, 0.9 delphi dll plain,
    1.0 delphi_xe exe plain, 0.8 delphi_xe dll plain, 1.6 delphi_package dll plain,
    0.4 borland_c exe plain, 0.4 borland_c dll plain, 5.0 mingw_dll dll plain,
    0.7 mingw_dll exe plain, 2.4 mingw64 dll plain, 0.3 mingw64 exe plain, 0.4 mingw exe plain,
    0.7 vb6 exe plain, 0.5 vb6 dll plain, 0.2 go exe plain, 1.8 delphi exe inno,
    1.0 delphi_xe exe inno, 1.1 vc6 exe nsis, 0.5 vc9 exe sfx, 0.4 vc14 exe sfx,
    0.4 vc6 exe overlay, 0.3 vc6 exe upx, 0.3 delphi exe upx, 0.2 vc9 exe upx, 0.3 vc9 dll upx,
    0.1 vc6 exe aspack, 0.1 vc10 exe vmprotect, 0.1 vc9 exe themida
""")

MALWARE = _mix("""
    8.5 vb6 exe plain, 1.5 vb6 exe upx, 1.5 vb6 exe crypt_code, 1.0 vb6 exe crypt_resource,
    1.0 vb6 exe infected, 5.0 delphi exe plain, 2.0 delphi exe crypt_data,
    2.5 delphi exe overlay, 1.6 delphi exe upx, 1.6 delphi exe crypt_resource,
    1.5 delphi exe inno, 1.0 delphi exe infected, 2.4 delphi_xe exe plain,
    1.0 delphi_xe exe inno, 5.0 mingw exe plain, 1.6 mingw exe crypt_data, 2.0 mingw exe overlay,
    0.8 mingw exe stripped, 0.6 mingw exe aspack, 0.3 mingw_dll exe plain, 4.5 vc6 exe plain,
    3.0 vc6 exe crypt_code, 2.5 vc6 exe crypt_data, 1.6 vc6 exe crypt_resource,
    1.5 vc6 exe overlay, 2.5 vc6 exe upx, 0.9 vc6 exe aspack, 0.5 vc6 exe petite,
    0.5 vc6 exe nspack, 0.4 vc6 exe fsg, 0.5 vc6 exe mew, 1.5 vc6 exe shuffled,
    0.8 vc6 exe stripped, 1.5 vc6 exe infected, 2.8 vc6 exe nsis, 0.5 vc6 dll plain,
    0.3 vc6 dll upx, 0.5 vc6 exe themida, 0.8 vc71 exe plain, 0.8 vc71 exe crypt_code,
    0.5 vc71 exe overlay, 1.6 vc8 exe plain, 1.0 vc8 exe crypt_data, 0.7 vc8 exe upx,
    0.5 vc8 exe overlay, 0.5 vc8 exe infected, 3.0 vc9 exe plain, 2.6 vc9 exe crypt_data,
    2.0 vc9 exe crypt_code, 1.4 vc9 exe crypt_resource, 1.0 vc9 exe upx, 1.5 vc9 exe overlay,
    0.6 vc9 dll plain, 0.5 vc9 dll crypt_data, 0.7 vc9 exe infected, 0.4 vc9 exe vmprotect,
    1.2 vc9 exe sfx, 2.8 vc10 exe plain, 1.6 vc10 exe crypt_data, 1.2 vc10 exe overlay,
    0.7 vc10 exe crypt_code, 0.7 vc10 exe upx, 0.5 vc10 exe mpress, 0.4 vc10 dll plain,
    0.7 vc11 exe plain, 0.5 vc11 exe overlay, 0.7 vc12 exe plain, 0.6 vc12 exe crypt_data,
    0.3 vc12 exe stripped, 1.4 vc14 exe plain, 0.5 vc14 exe crypt_data, 0.3 vc14 dll plain,
    1.6 masm exe plain, 1.6 masm exe crypt_data, 0.3 masm dll plain, 0.8 fasm exe plain,
    0.3 fasm exe overlay, 0.5 borland_c exe plain, 3.0 dotnet exe plain,
    1.6 dotnet exe crypt_resource, 0.2 dotnet dll plain, 0.5 winxp exe infected,
    0.4 winxp exe shuffled, 0.4 win7 exe infected, 0.3 win7x64 exe infected,
    0.3 vc9x64 exe plain, 0.3 vc12x64 exe plain, 0.3 vc14x64 exe plain, 0.2 go exe plain,
    0.2 vc_driver driver plain
""")
