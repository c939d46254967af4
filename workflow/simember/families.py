"""Vendors and malware families: who builds programs, with which habits.

A family (for goodware: a vendor's product line) fixes what its programs share: archetype, what they
import, section names of their own, size, age, and how much of it is packed. Four groups of traits
are drawn independently: archetype, behaviour (imports), content (resources, payloads, strings)
and provenance (age, signature, debug information, versions). With probability `overlap` each group
is drawn from the *other* class's model: packed goodware, malware that imitates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dokunuki.seeding import generator
from simember import names
from simember.archetypes import TOOLCHAINS, Toolchain
from simember.mixes import GOODWARE, MALWARE, Mix

# How likely a program of each class (goodware, malware) takes a bundle of `names.CAPABILITIES`.
_USE = {
    "files": (0.50, 0.68), "process": (0.45, 0.58), "memory": (0.48, 0.60), "system": (0.42, 0.48),
    "loader": (0.55, 0.72), "resources": (0.28, 0.42), "registry": (0.32, 0.55),
    "security": (0.18, 0.17),
    "services": (0.08, 0.09), "crypto": (0.06, 0.12), "windows": (0.38, 0.48),
    "dialogs": (0.28, 0.32),
    "menus": (0.22, 0.10), "drawing": (0.28, 0.20), "printing": (0.09, 0.02), "shell": (0.22, 0.45),
    "shlwapi": (0.13, 0.20), "com": (0.28, 0.28), "com_names": (0.06, 0.13),
    "version": (0.10, 0.10),
    "winsock": (0.11, 0.13), "wsock32": (0.02, 0.13), "wininet": (0.04, 0.20),
    "urlmon": (0.01, 0.08),
    "winhttp": (0.03, 0.02), "dns": (0.04, 0.06), "network_shares": (0.03, 0.08),
    "injection": (0.02, 0.18),
    "hooks": (0.05, 0.16), "processes": (0.04, 0.08), "devices": (0.09, 0.05),
    "console": (0.15, 0.05),
    "pipes": (0.11, 0.04), "profiles": (0.09, 0.08), "multimedia": (0.08, 0.06),
    "graphics": (0.06, 0.03),
    "directx": (0.06, 0.01), "themes": (0.06, 0.02), "accessibility": (0.08, 0.03),
    "trust": (0.04, 0.01),
    "cabinet": (0.02, 0.03), "decoy": (0.01, 0.11),
}  # fmt: skip
_USE_NAMES = tuple(_USE)
_USE_PROBABILITY = np.array(list(_USE.values()))

_SYLLABLES = names.words("""
    ba be bo da de do fa fi ga go ka ki ko la le lo ma mi mo na ne no ra re ri ro sa se so ta
    te ti to va ve vi vo xa ze zo
""")

# Chance that a program is built with debug information, by toolchain and class.
_DEBUG = {
    "vc5": (0.10, 0.05), "vc6": (0.20, 0.12), "vc71": (0.45, 0.25), "vc8": (0.55, 0.25),
    "vc9": (0.55, 0.22), "vc10": (0.55, 0.22), "vc11": (0.60, 0.25), "vc12": (0.65, 0.25),
    "vc14": (0.85, 0.70), "vc9x64": (0.50, 0.30), "vc12x64": (0.65, 0.35), "vc14x64": (0.85, 0.70),
    "winxp": (0.97, 0.90), "win7": (0.97, 0.90), "win7x64": (0.97, 0.90), "win10": (0.99, 0.90),
    "win10x64": (0.99, 0.90), "resources": (0.20, 0.10), "vc_driver": (0.75, 0.55),
    "vc_driver64": (0.75, 0.55), "efi": (0.35, 0.20), "dotnet": (0.55, 0.25), "ngen": (0.97, 0.90),
}  # fmt: skip


@dataclass(frozen=True)
class Family:
    """The habits that the programs of one family or vendor share."""

    name: str
    label: int
    index: int
    toolchain: Toolchain
    form: str  # exe | dll | driver
    packaging: str
    content: int  # the class whose model each group of traits follows
    provenance: int
    behaviour: int
    runtime: tuple[str, ...]
    capabilities: tuple[str, ...]
    breadth: float  # share of a bundle's functions that a program uses
    unicode: bool
    libraries: tuple[tuple[str, str], ...]  # third-party DLLs and the style of their names
    code_size: float  # median bytes of code
    resource_size: float
    resource_kinds: tuple[tuple[str, float], ...]
    payload_kind: str
    payload_size: float
    text_share: float  # of the read-only data that is strings
    signed: float
    debug: float
    urls: float
    paths: float
    registry: float
    age: float  # years between linking and appearing
    recent: bool  # built anew all the time: linked just before it appears
    spread: float  # years over which the family was linked
    forged: bool
    image_version: tuple[int, int]
    overlay: float  # bytes behind the last section that the archetype does not ask for


def _name(label: int, index: int) -> str:
    """A pronounceable name, unique per index; invented, like no family or vendor on purpose."""
    rest, syllables = index, []
    while True:
        rest, digit = divmod(rest, len(_SYLLABLES))
        syllables.append(_SYLLABLES[digit])
        if rest == 0 and len(syllables) >= 3:
            break
    return "".join(syllables) + ("sim" if label else " software")


def choose(rng: np.random.Generator, choices: tuple[tuple[float, Any], ...]) -> Any:  # noqa: ANN401
    """One of the (weight, value) pairs."""
    point = rng.random() * sum(weight for weight, _ in choices)
    for weight, value in choices:
        point -= weight
        if point <= 0:
            return value
    return choices[-1][1]


def lognormal(rng: np.random.Generator, median: float, sigma: float) -> float:
    """A log-normal number with this median, kept within four sigma."""
    return float(median * np.exp(sigma * np.clip(rng.standard_normal(), -4, 4)))


@lru_cache(maxsize=2)
def _cumulated(label: int) -> np.ndarray:
    mix = _mix(label)
    weights = np.cumsum([entry[0] for entry in mix])
    return np.asarray(weights / weights[-1])


def _mix(label: int) -> Mix:
    return MALWARE if label else GOODWARE


@lru_cache(maxsize=8)
def popularity(number: int) -> np.ndarray:
    """Shares of the rows that `number` families have: a few are large, most are small (Zipf)."""
    weights = 1.0 / (3.0 + np.arange(number)) ** 0.75
    return np.asarray(weights / weights.sum())


@lru_cache(maxsize=8)
def _strata(seed: int, label: int, number: int) -> np.ndarray:
    """A point in [0, 1) for each family, such that the families cover it evenly by their rows.

    Were archetypes drawn independently, the few large families would decide what a corpus is
    made of, and two seeds would give two very different worlds.
    """
    order = generator(seed, "archetypes", label).permutation(number)
    shares = popularity(number)[order]
    points = np.empty(number)
    points[order] = np.cumsum(shares) - shares / 2
    return points


def _resources(
    rng: np.random.Generator, toolchain: Toolchain, form: str, content: int
) -> tuple[float, tuple[tuple[str, float], ...]]:
    """Size and composition of the resources."""
    version = (("wide", 0.55), ("data", 0.25), ("zero", 0.2))
    if toolchain.name == "resources":
        kinds = choose(rng, (
            (0.5, (("wide", 0.8), ("data", 0.1), ("zero", 0.1))),
            (0.2, (("wide", 0.4), ("icon", 0.6))),
            (0.2, (("packed", 0.7), ("wide", 0.2), ("icon", 0.1))),
            (0.1, (("icon", 0.9), ("wide", 0.1))),
        ))  # fmt: skip
        return lognormal(rng, 45e3, 1.9), kinds
    rich = {"exe": (0.75, 0.80), "dll": (0.22, 0.35), "driver": (0.03, 0.05)}[form][content]
    if toolchain.name == "dotnet":
        rich = (0.25, 0.50)[content]
    if rng.random() >= rich:
        markup = rng.random() < 0.5
        return lognormal(rng, 1100, 0.35), (("markup", 0.45), *version) if markup else version
    kinds = choose(rng, (
        (0.45 if content == 0 else 0.40, (("icon", 0.75), ("wide", 0.15), ("markup", 0.04),
            ("zero", 0.06))),
        (0.28 if content == 0 else 0.15, (("icon", 0.35), ("wide", 0.45), ("data", 0.1),
            ("zero", 0.1))),
        (0.17 if content == 0 else 0.20, (("icon", 0.35), ("packed", 0.5), ("wide", 0.15))),
        (0.05 if content == 0 else 0.15, (("packed", 0.9), ("icon", 0.08), ("wide", 0.02))),
        (0.05 if content == 0 else 0.10, (("x86", 0.35), ("data", 0.25), ("icon", 0.2),
            ("text", 0.2))),
    ))  # fmt: skip
    return lognormal(rng, 22e3 if content == 0 else 20e3, 1.8), kinds


def _capabilities(
    rng: np.random.Generator, behaviour: int, form: str, scale: float
) -> tuple[str, ...]:
    probability = _USE_PROBABILITY[:, behaviour] * scale
    if form == "dll":
        probability = probability * 0.85
    used = rng.random(len(_USE_NAMES)) < probability
    return tuple(name for name, use in zip(_USE_NAMES, used, strict=True) if use)


def _libraries(rng: np.random.Generator, behaviour: int) -> tuple[tuple[str, str], ...]:
    """Third-party and private DLLs that the family links against."""
    if rng.random() >= (0.42, 0.05)[behaviour]:
        return ()
    chosen = []
    for _ in range(int(rng.integers(1, 5))):
        if rng.random() < 0.55:
            chosen.append(names.THIRD_PARTY[int(rng.integers(len(names.THIRD_PARTY)))])
        else:
            prefix = names.PREFIXES[int(rng.integers(len(names.PREFIXES)))]
            noun = names.NOUNS[int(rng.integers(len(names.NOUNS)))]
            chosen.append((f"{prefix}{noun}.dll", "cpp" if rng.random() < 0.6 else "c"))
    return tuple(dict(chosen).items())


def draw_family(seed: int, label: int, index: int, number: int, overlap: float) -> Family:
    """The family `index` (of `number`) of a class; a pure function of its arguments."""
    rng = generator(seed, "family", label, index)
    follows = np.where(rng.random(4) < overlap, 1 - label, label)
    archetype, behaviour, content, provenance = (int(value) for value in follows)
    point = float(_strata(seed, label, number)[index])
    mix = _mix(archetype)
    position = min(int(np.searchsorted(_cumulated(archetype), point)), len(mix) - 1)
    _, toolchain_name, form, packaging = mix[position]
    toolchain = TOOLCHAINS[toolchain_name]
    resource_size, resource_kinds = _resources(rng, toolchain, form, content)

    medians = {"exe": (190e3, 75e3), "dll": (75e3, 35e3), "driver": (60e3, 30e3)}[form]
    sigma = {"exe": (1.75, 1.3), "dll": (1.75, 1.4), "driver": (1.2, 0.8)}[form]
    if toolchain_name == "vb6":
        resource_size *= 0.5
    if toolchain_name == "dotnet":
        medians, sigma = (34e3, 90e3), (1.8, 1.6)
    code_size = lognormal(rng, medians[content], sigma[content]) * toolchain.code_size
    code_size = float(np.clip(code_size, 400, 12e6))
    scale = float(np.clip((np.log(max(code_size, 1)) - 6.5) / 5.0, 0.25, 1.25))

    wide = {"vc5": 0.1, "vc6": 0.15, "vc71": 0.3, "vc8": 0.55, "delphi": 0.0, "delphi_xe": 0.9,
            "masm": 0.05, "fasm": 0.1, "mingw": 0.15, "mingw_dll": 0.3, "borland_c": 0.02,
            "vb6": 0.0}  # fmt: skip
    unicode = rng.random() < wide.get(toolchain_name, 0.75) * (1.0, 0.8)[behaviour]
    runtime = tuple(choose(rng, toolchain.runtimes[form]).split())

    recent = bool(rng.random() < (0.42, 0.14)[provenance])
    age = rng.uniform(0, 0.3) if recent else 0.3 + rng.exponential((5.0, 5.2)[provenance])
    payload_kind = choose(rng, (
        (0.62, "packed"), (0.23, "cipher"), (0.06, "base64"), (0.06, "x86"), (0.03, "text")
    ))  # fmt: skip
    signed = rng.random() < (0.11, 0.06)[provenance]
    debug = _DEBUG.get(toolchain_name, (0.02, 0.02))[provenance]
    return Family(
        name=_name(label, index),
        label=label,
        index=index,
        toolchain=toolchain,
        form=form,
        packaging=packaging,
        content=content,
        provenance=provenance,
        behaviour=behaviour,
        runtime=runtime,
        capabilities=_capabilities(rng, behaviour, form, scale),
        breadth=float(np.clip(rng.beta(2.0, 4.5) * (0.5 + 0.6 * scale), 0.03, 0.85)),
        unicode=unicode,
        libraries=_libraries(rng, behaviour),
        code_size=code_size,
        resource_size=resource_size,
        resource_kinds=resource_kinds,
        payload_kind=payload_kind,
        payload_size=lognormal(rng, 140e3, 1.3),
        text_share=float(rng.beta(4, 7) * (1.0, 0.8)[content]),
        signed=0.9 if signed else 0.01,
        debug=float(rng.random() < debug),
        urls=lognormal(rng, 2.0, 1.8) if rng.random() < (0.22, 0.18)[content] else 0.03,
        paths=lognormal(rng, 1.2, 1.3) if rng.random() < (0.25, 0.25)[content] else 0.04,
        registry=lognormal(rng, 2.0, 0.9) if rng.random() < (0.06, 0.10)[content] else 0.0,
        age=age,
        recent=recent,
        spread=float(rng.exponential(0.6)),
        forged=bool(rng.random() < (0.01, 0.09)[provenance]),
        image_version=(
            (int(rng.integers(1, 24)), int(rng.integers(0, 60)))
            if rng.random() < (0.03, 0.05)[provenance]
            else choose(rng, toolchain.image_version)
        ),
        overlay=(lognormal(rng, 60e3, 2.0) if rng.random() < (0.04, 0.22)[content] else 0.0),
    )
