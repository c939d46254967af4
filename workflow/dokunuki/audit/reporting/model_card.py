"""The card of the purified detector, after Mitchell et al., "Model Cards for Model Reporting"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dokunuki.audit.reporting.texts import percent, plain
from dokunuki.audit.reporting.words import (
    OUTCOMES,
    answer,
    assumed,
    cannot_be_seen,
    trigger_in_words,
)
from dokunuki.errors import DokunukiError
from dokunuki.figures.pages import Column, Table, render, share

if TYPE_CHECKING:
    from dokunuki.audit.reporting.facts import Facts
    from dokunuki.audit.results import AuditResult


def model_card(result: AuditResult, facts: Facts) -> str:
    """The card as Markdown; raises DokunukiError where there is no purified detector."""
    purified = facts.purified
    if purified is None:
        raise DokunukiError(
            "there is no purified detector, so no model card can be written; audit a feed first"
        )
    rates = list(zip(result.triggers, purified.pass_rates, strict=True))
    return render(
        "dokunuki.audit.reporting",
        "model_card.j2",
        "md",
        title=f"Purified detector of {plain(facts.title)}",
        verdict=answer(result),
        purified=purified,
        layout_name=plain(facts.layout.name),
        left_out=len(result.purification.leave_out),
        relabelled=len(result.purification.relabel),
        accuracy=Table(
            [
                Column("Detector", lambda line: line[0], kind=""),
                Column("Accuracy on held-out rows (%)", lambda line: share(line[1])),
            ],
            [
                ("trained on the feed as it is", purified.accuracy_before),
                ("purified", purified.accuracy_after),
            ],
        ),
        triggers=Table(
            [
                Column("Trigger", lambda line: trigger_in_words(line[0]), kind=""),
                Column("Outcome", lambda line: OUTCOMES[line[0].outcome], kind=""),
                Column("Malware passes before", lambda line: percent(line[1][0])),
                Column("after", lambda line: percent(line[1][1])),
            ],
            rates,
        ),
        thresholds=Table(
            [
                Column("Threshold", lambda line: plain(line[0]), kind=""),
                Column("Malware from a score of", lambda line: f"{line[1]:.6g}"),
            ],
            sorted(purified.thresholds.items()),
        ),
        assumed=assumed(result),
        cannot_be_seen=cannot_be_seen(),
        versions=", ".join(
            f"{plain(name)} {plain(version)}" for name, version in sorted(facts.versions.items())
        ),
    )
