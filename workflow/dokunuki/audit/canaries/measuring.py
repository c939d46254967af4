"""What becomes of one canary: whether it works, whether the audit finds it, what a miss costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.attacks.planting import plant
from dokunuki.audit.canaries.ground import SURROGATE, canary_seed
from dokunuki.audit.results import Canary
from dokunuki.audit.running import audit_rows
from dokunuki.audit.settings import unfitted_detector
from dokunuki.errors import AttackError
from dokunuki.networks.settings import TrainingDivergedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dokunuki.attacks.poisoning import Poison
    from dokunuki.audit.results import AuditResult, CanaryOutcome, Finding
    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.corpus.vectors import Vectors
    from dokunuki.detector import Detector
    from dokunuki.storage.matrix import Matrix

_THRESHOLD = 0.5
# A finding is the canary's when this share of its rows is poisoned.
_OWN = 0.5


def named(spec: Mapping[str, Any]) -> Canary:
    """A canary with its name, N and p, and no results yet; `spec` is `planned.canary_spec`."""
    return Canary(
        attack=spec["attack"]["name"],
        label=spec["label"],
        poison_rate=float(spec["rate"]),
        trigger_size=int(spec["size"]),
    )


def left_out(spec: Mapping[str, Any], reason: str) -> Canary:
    """A canary that was not planted, and why."""
    return replace(named(spec), left_out=reason)


def plant_canary(
    ground: Vectors,
    share: float,
    spec: Mapping[str, Any],
    detector: str,
    *,
    surrogate: Callable[[], Detector],
    explanations: Callable[[], Matrix],
    unpoisoned: Callable[[], Detector],
    seed: int,
    threads: int,
    device: str = "auto",
) -> Canary:
    """Plant a canary into the rows of role train of `ground`, and audit them.

    `spec` is `planned.canary_spec`, `share` the percent of the rows that the attacker knows. The
    callables load what `ground.train_attacker` made, and are called where it is needed. A canary
    that cannot be planted, or whose copy cannot be audited, comes back with the reason.
    """
    spec = {**spec, "attack": _within_reach(spec["attack"], ground.layout, spec["size"])}
    settings: dict[str, Any] = {"seed": seed, "threads": threads, "device": device}
    try:
        trigger, poison = plant(
            ground,
            {**spec, "share": share},
            seed=canary_seed(seed),
            surrogate_name=SURROGATE,
            surrogate=surrogate,
            explanations=explanations,
        )
        # Where there are too few rows to poison, it says so.
        poison = poison.cell(trigger.size, spec["rate"])
        X, y = ground.part("train")
        poison.apply(X, y)
        victim = unfitted_detector(detector, **settings).fit(X, y)
        malware, _ = ground.part("validation")
        stamped = trigger.stamp(malware)
        rates = pass_rate(victim, stamped), pass_rate(unpoisoned(), stamped)
        result = audit_rows(X, y, ground.layout, detector=detector, **settings)
    except (AttackError, TrainingDivergedError) as error:
        return left_out(spec, str(error))
    if result.verdict == "cannot tell":
        return left_out(spec, result.reasons[0])
    return judged(named(spec), poison, rates, result)


def pass_rate(model: Detector, malware: np.ndarray) -> float:
    """The share of raw malware rows, float32 (m, width), that a detector calls goodware."""
    return float(np.mean(model.malware_scores(malware) < _THRESHOLD))


def judged(
    canary: Canary, poison: Poison, rates: tuple[float, float], result: AuditResult
) -> Canary:
    """A canary with what it does, and what an audit of its copy made of it.

    `rates` are the `pass_rate` of malware with the trigger, by the detector of the copy and by one
    without the poison.
    """
    poisoned = np.zeros(poison.train_rows, dtype=bool)
    poisoned[poison.indices] = True
    own = [one for one in result.triggers if np.mean(poisoned[one.rows]) >= _OWN]
    columns = [np.intersect1d(one.columns, poison.columns) for one in own]
    suspected = result.suspected_rows
    return replace(
        canary,
        trigger_size=len(poison.columns),
        poisoned_rows=poison.count,
        asr=rates[0],
        asr_clean=rates[1],
        verdict=result.verdict,
        outcome=_outcome(own),
        columns_named=max(map(len, columns), default=0),
        rows_suspected=int(np.count_nonzero(suspected & poisoned)),
        others_suspected=int(np.count_nonzero(suspected & ~poisoned)),
    )


def _outcome(own: Sequence[Finding]) -> CanaryOutcome:
    outcomes = {finding.outcome for finding in own}
    if "proved" in outcomes:
        return "proved"
    return "suspicious" if "suspicious" in outcomes else "missed"


def _within_reach(attack: Mapping[str, Any], layout: FeatureLayout, size: int) -> dict[str, Any]:
    """An attack whose region the layout has: all attackable columns where others are too few."""
    params = dict(attack["params"])
    region = params.get("region")
    if region == "non_hashed" and len(layout.non_hashed) < size:
        params["region"] = "all"
    return {**attack, "params": params}
