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
from typing import TYPE_CHECKING, TypeVar, get_args

import msgspec
import numpy as np

from dokunuki.seeding import generator
from simember import names
from simember.archetypes import (
    GOODWARE,
    MALWARE,
    TOOLCHAINS,
    Form,
    Mix,
    Packaging,
    Pair,
    Toolchain,
    Weight,
    version,
)
from simember.loading import check_names, read, read_table
from simember.tables import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


class _Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Log-normal numbers, by class."""

    median: Pair
    spread: Pair


class Habits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the two classes differ; `data/habits.yaml` explains the fields."""

    code_size: dict[str, _Spread]
    libraries: Pair
    unicode: Pair
    windows: dict[str, Pair]
    rich_resources: dict[str, Pair]
    payload: dict[str, Weight]
    installed: Pair
    embedded: Pair
    text: Pair
    urls: Pair
    paths: Pair
    registry: Pair
    overlay: Pair
    recent: Pair
    age: Pair
    signed: Pair
    forged: Pair
    versioned: Pair
    near: Pair


class _BundleUse(msgspec.Struct, frozen=True):
    bundle: str
    goodware: Weight
    malware: Weight


class _Composition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    weight: Pair
    kinds: dict[str, Weight]


class _Resources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Resources whose composition is chosen: bytes (a median by class) and compositions."""

    median: Pair
    spread: float
    compositions: tuple[_Composition, ...]


class _ResourceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: dict[str, Weight]
    manifest: Weight
    localised: _Resources
    rich: _Resources


def _habits() -> Habits:
    habits = read("habits.yaml", Habits)
    places = [*get_args(Form), *TOOLCHAINS]
    places += [f"{name}-{form}" for name in TOOLCHAINS for form in TOOLCHAINS[name].sections]
    for key in ("code_size", "windows", "rich_resources"):
        check_names("habits.yaml", key, getattr(habits, key), places)
        check_names("habits.yaml", key, get_args(Form), getattr(habits, key))
    check_names("habits.yaml", "payload", habits.payload, KINDS)
    return habits


def _bundle_uses() -> tuple[tuple[str, ...], np.ndarray]:
    """Names of bundles, and how likely each class uses them: (bundles, 2)."""
    uses = read_table("use.csv", _BundleUse)
    for use in uses:
        check_names("use.csv", use.bundle, [use.bundle], names.CAPABILITIES)
    return tuple(use.bundle for use in uses), np.array(
        [(use.goodware, use.malware) for use in uses]
    )


def _resource_file() -> _ResourceFile:
    content = read("resources.yaml", _ResourceFile)
    check_names("resources.yaml", "version", content.version, KINDS)
    for key, resources in (("localised", content.localised), ("rich", content.rich)):
        for composition in resources.compositions:
            check_names("resources.yaml", key, composition.kinds, KINDS)
    return content


HABITS = _habits()
_USE_NAMES, _USE_PROBABILITY = _bundle_uses()
_RESOURCES = _resource_file()


@dataclass(frozen=True)
class Family:
    """The habits that the programs of one family or vendor share."""

    name: str
    label: int
    index: int
    toolchain: Toolchain
    form: Form
    packaging: Packaging
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
        rest, digit = divmod(rest, len(names.SYLLABLES))
        syllables.append(names.SYLLABLES[digit])
        if rest == 0 and len(syllables) >= 3:
            break
    return "".join(syllables) + ("sim" if label else " software")


def choose(rng: np.random.Generator, choices: Mapping[T, float]) -> T:
    """One of the values, each with its weight."""
    point = rng.random() * sum(choices.values())
    for value, weight in choices.items():
        point -= weight
        if point <= 0:
            return value
    return list(choices)[-1]


def by_archetype(table: Mapping[str, T], toolchain: Toolchain, form: Form) -> T:
    """The entry of a toolchain's programs of a form, of the toolchain, or else of the form."""
    for key in (f"{toolchain.name}-{form}", toolchain.name):
        if key in table:
            return table[key]
    return table[form]


def lognormal(rng: np.random.Generator, median: float, sigma: float) -> float:
    """A log-normal number with this median, kept within four sigma."""
    return float(median * np.exp(sigma * np.clip(rng.standard_normal(), -4, 4)))


@lru_cache(maxsize=2)
def _cumulated(label: int) -> np.ndarray:
    mix = _mix(label)
    weights = np.cumsum([use.share for use in mix])
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
    rng: np.random.Generator, toolchain: Toolchain, form: Form, content: int
) -> tuple[float, tuple[tuple[str, float], ...]]:
    """Size and composition of the resources."""
    chosen = _RESOURCES.rich
    if toolchain.name == "resources":
        chosen = _RESOURCES.localised
    elif rng.random() >= by_archetype(HABITS.rich_resources, toolchain, form)[content]:
        kinds = tuple(_RESOURCES.version.items())
        markup = rng.random() < 0.5
        return lognormal(rng, 1100, 0.35), (
            (("markup", _RESOURCES.manifest), *kinds) if markup else kinds
        )
    weights = {
        position: composition.weight[content]
        for position, composition in enumerate(chosen.compositions)
    }
    composition = chosen.compositions[choose(rng, weights)]
    return lognormal(rng, chosen.median[content], chosen.spread), tuple(composition.kinds.items())


def _capabilities(
    rng: np.random.Generator, behaviour: int, form: Form, scale: float
) -> tuple[str, ...]:
    probability = _USE_PROBABILITY[:, behaviour] * scale
    if form == "dll":
        probability = probability * 0.85
    used = rng.random(len(_USE_NAMES)) < probability
    return tuple(name for name, use in zip(_USE_NAMES, used, strict=True) if use)


def _libraries(rng: np.random.Generator, behaviour: int) -> tuple[tuple[str, str], ...]:
    """Third-party and private DLLs that the family links against."""
    if rng.random() >= HABITS.libraries[behaviour]:
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
    use = mix[position]
    toolchain, form = TOOLCHAINS[use.toolchain], use.form
    resource_size, resource_kinds = _resources(rng, toolchain, form, content)

    if toolchain.name == "vb6":
        resource_size *= 0.5
    size = by_archetype(HABITS.code_size, toolchain, form)
    code_size = lognormal(rng, size.median[content], size.spread[content]) * toolchain.code_size
    code_size = float(np.clip(code_size, 400, 12e6))
    scale = float(np.clip((np.log(max(code_size, 1)) - 6.5) / 5.0, 0.25, 1.25))

    unicode = rng.random() < toolchain.unicode * HABITS.unicode[behaviour]
    runtime = tuple(choose(rng, toolchain.runtimes[form]).split())

    recent = bool(rng.random() < HABITS.recent[provenance])
    age = rng.uniform(0, 0.3) if recent else 0.3 + rng.exponential(HABITS.age[provenance])
    payload_kind = choose(rng, HABITS.payload)
    signed = rng.random() < HABITS.signed[provenance]
    return Family(
        name=_name(label, index),
        label=label,
        index=index,
        toolchain=toolchain,
        form=form,
        packaging=use.packaging,
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
        text_share=float(rng.beta(4, 7) * HABITS.text[content]),
        signed=0.9 if signed else 0.01,
        debug=float(rng.random() < toolchain.debug[provenance]),
        urls=lognormal(rng, 2.0, 1.8) if rng.random() < HABITS.urls[content] else 0.03,
        paths=lognormal(rng, 1.2, 1.3) if rng.random() < HABITS.paths[content] else 0.04,
        registry=lognormal(rng, 2.0, 0.9) if rng.random() < HABITS.registry[content] else 0.0,
        age=age,
        recent=recent,
        spread=float(rng.exponential(0.6)),
        forged=bool(rng.random() < HABITS.forged[provenance]),
        image_version=(
            (int(rng.integers(1, 24)), int(rng.integers(0, 60)))
            if rng.random() < HABITS.versioned[provenance]
            else version(choose(rng, toolchain.image_version))
        ),
        overlay=(lognormal(rng, 60e3, 2.0) if rng.random() < HABITS.overlay[content] else 0.0),
    )
