"""The answer of an audit in sentences: what was found, what to do, and what the answer rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dokunuki.audit.reporting.texts import counted, held_in_words, p_value, percent, plain
from dokunuki.audit.results import LEAST_DELTA
from dokunuki.audit.settings import (
    DRAWS,
    FEWEST_COLUMNS,
    LEAST_GAP,
    LEAST_HOLDERS,
    LEAST_SHARE,
    LEAST_SPOT,
    MOST_COLUMNS,
    SIGNIFICANT,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.audit.reporting.facts import Facts
    from dokunuki.audit.results import AuditResult, Canary, Finding

TITLES = {
    "proved": "Backdoor proved",
    "suspicious": "Suspicious",
    "nothing proved": "Nothing proved",
    "cannot tell": "Cannot tell",
}
"""The verdicts as headings."""

OUTCOMES = {
    "proved": "proved",
    "suspicious": "suspicious, not proved",
    "evasion": "evasion, no poison",
    "refuted": "refuted",
}
"""What became of a candidate, for readers."""

CANARY_OUTCOMES = {"proved": "proved", "suspicious": "suspected, not proved", "missed": "missed"}
"""What became of a canary that works, for readers."""

LEAVE_OUT, RELABEL, LOOK, KEEP = "leave out", "relabel as malware", "look at", "keep"
"""What to do about a row."""


def trigger_in_words(finding: Finding, named: int = 1) -> str:
    """A trigger in words, e.g. "printables = 9987 and 15 others, in 80 goodware rows".

    `named` is how many of its columns are named, the most unusual first.
    """
    return f"{values_in_words(finding, named)}, in {counted(len(finding.rows), 'goodware row')}"


def values_in_words(finding: Finding, named: int = 1) -> str:
    """As `trigger_in_words`, without the rows."""
    shown = ", ".join(
        f"{plain(name)} {held_in_words(low, high)}"
        for name, (low, high) in zip(finding.names[:named], finding.ranges[:named], strict=True)
    )
    others = len(finding.names) - named
    if others <= 0:
        return shown
    return f"{shown} and {others} {'other' if others == 1 else 'others'}"


def leading_trigger(result: AuditResult) -> Finding | None:
    """The strongest trigger that the verdict rests on."""
    wanted = result.verdict if result.verdict in ("proved", "suspicious") else "evasion"
    return next((one for one in result.triggers if one.outcome == wanted), None)


def answer(result: AuditResult) -> str:
    """The verdict in one sentence."""
    found = sum(one.outcome == result.verdict for one in result.triggers)
    leading = leading_trigger(result)
    if result.verdict == "proved" and leading is not None:
        what = "a backdoor" if found == 1 else f"{found} backdoors"
        return (
            f"This feed holds {what}: {percent(leading.pass_as_is)} of malware passes as goodware "
            f"once it carries the trigger, and {percent(leading.pass_without)} if the detector is "
            f"trained without the suspected rows, {len(leading.rows):,} of which "
            f"{'holds' if len(leading.rows) == 1 else 'hold'} the trigger."
        )
    if result.verdict == "suspicious":
        rows = 0 if leading is None else len(leading.rows)
        return (
            f"This feed may hold a backdoor: {counted(rows, 'goodware row')} "
            f"{'shares' if rows == 1 else 'share'} values as planted rows would, but it was not "
            "proved that these values let malware pass."
        )
    if result.verdict == "nothing proved":
        return "No backdoor was proved in this feed; that does not mean that it holds none."
    return (
        "This audit cannot tell whether the feed holds a backdoor, because "
        f"{_first_reason(result)}."
    )


def _first_reason(result: AuditResult) -> str:
    return plain(result.reasons[0].rstrip("."), 400) if result.reasons else "no reason was recorded"


def explain(finding: Finding) -> str:
    """What a finding did, in a few sentences."""
    does = (
        f"Stamped into malware that the detector did not train on, it lets "
        f"{percent(finding.pass_as_is)} pass as goodware. Without the trigger, "
        f"{percent(finding.pass_unstamped)} passes. With it, {percent(finding.pass_without)} "
        "passes a detector that was trained without the suspected rows."
    )
    if finding.outcome == "proved":
        return (
            f"{does} Values of other goodware in the same columns do not do that "
            f"({p_value(finding.p_value)})."
        )
    if finding.outcome == "evasion":
        return (
            f"{does} It passes both detectors: this is evasion, not a sign of poison, and cleaning "
            "the feed does not stop it."
        )
    if finding.outcome == "suspicious":
        return (
            f"{does} Its rows share more than chance explains, but its effect on the detector is "
            "not proved."
        )
    return f"{does} Chance, or the similarity of these rows, is enough to explain that."


def what_to_do(result: AuditResult, facts: Facts) -> tuple[str, ...]:
    """Steps for whoever owns the feed, the first first."""
    left, relabelled = (
        len(result.purification.leave_out),
        len(result.purification.relabel),
    )
    rows = []
    if left:
        rows.append(f"leave {counted(left, 'row')} out")
    if relabelled:
        rows.append(f"relabel {counted(relabelled, 'row')} as malware")
    mend = " and ".join(rows)
    if result.verdict == "proved":
        steps = ["Do not ship a detector that was trained on this feed as it is."]
        if mend:
            steps.append(f"{_capital(mend)}: suspects.csv lists them.")
        steps += [
            "Find out who supplied these rows, and when: what else came that way is suspect too.",
            "Train again, and audit the purified feed: a second trigger may show.",
        ]
        if facts.purified is not None:
            steps[-1] = (
                "Or take the purified detector (model_card.md), and audit the purified feed: a "
                "second trigger may show."
            )
        return tuple(steps)
    if result.verdict == "suspicious":
        return (
            "Look at these rows: does one vendor, packer or build explain what they share?",
            (f"If not, {mend} (suspects.csv)," if mend else "If not, leave them out,")
            + " and find out who supplied them.",
            "Until then, do not rely on a detector that was trained on this feed.",
            "Audit again with more rows from the same source: a real trigger then shows more "
            "clearly.",
        )
    if result.verdict == "nothing proved":
        return (*_after_nothing(result, facts),)
    return (
        "Mend what is named above, and audit again.",
        "Until then, treat the feed as not audited: this verdict speaks neither for nor against "
        "it.",
    )


def _after_nothing(result: AuditResult, facts: Facts) -> list[str]:
    steps = ["Do not take the feed for clean: backdoors were looked for, and none was proved."]
    if result.canaries is None:
        steps.append(
            "Let the audit plant known backdoors (--canaries quick), to measure how many of them "
            "it misses on this feed."
        )
    conflicts = len(result.checks.conflicts)
    if conflicts:
        steps.append(
            f"Look at the {counted(conflicts, 'row')} whose vector occurs with both labels "
            "(feed_checks.csv)."
        )
    if facts.repeated.contrary:
        steps.append(
            f"Look at the rows of {counted(facts.repeated.contrary, 'id')} with both labels "
            "(feed_checks.csv): only the first of each was audited."
        )
    if any(one.outcome == "evasion" for one in result.triggers):
        steps.append(
            "Note the evasion below: its values let malware pass whichever rows are left out."
        )
    steps.append("Audit again when rows are added.")
    return steps


def power(canaries: Sequence[Canary] | None) -> str:
    """How many of the canaries that work were found, in one sentence."""
    if canaries is None:
        return "How much the audit misses on this feed was not measured."
    working = [one for one in canaries if one.works]
    if not working:
        return (
            f"Of {counted(len(canaries), 'backdoor')} that this audit tried on copies of this "
            "feed, none worked, so how much it misses could not be measured."
        )
    missed = [one.asr for one in working if one.outcome == "missed"]
    counts = [
        f"{verb} {count}"
        for verb, count in (
            ("proved", sum(one.outcome == "proved" for one in working)),
            ("suspected", sum(one.outcome == "suspicious" for one in working)),
            ("missed", len(missed)),
        )
        if count or verb == "proved"
    ]
    text = (
        f"Of {counted(len(working), 'backdoor')} that this audit planted into copies of this feed "
        f"and that worked, it {_listed(counts)}"
    )
    if len(missed) == 1:
        text += f"; the one missed would let {percent(missed[0])} of malware pass"
    elif missed:
        text += f"; those missed would let up to {percent(max(missed))} of malware pass"
    return text + "."


def not_counted(canaries: Sequence[Canary]) -> str:
    """Why some canaries do not count, in a sentence or two; empty where all do."""
    planted = sum(not one.left_out and not one.works for one in canaries)
    left_out = sum(bool(one.left_out) for one in canaries)
    told = []
    if planted:
        told.append(
            f"{counted(planted, 'attack')} changed the detector too little to count as a backdoor: "
            f"at least {100 * LEAST_DELTA:.0f} points more malware must pass with the poison than "
            "without it."
        )
    if left_out:
        told.append(f"{counted(left_out, 'attack')} could not be planted here.")
    return " ".join(told)


def _listed(parts: Sequence[str]) -> str:
    """Parts of a sentence as a list: "proved 5, suspected 1 and missed 1"."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def assumed(result: AuditResult) -> tuple[str, ...]:
    """What the audit took for granted, a sentence each."""
    return (
        "The poison is in rows labelled goodware, and its purpose is to let malware pass.",
        "Its rows share values, or narrow ranges, in several columns.",
        f"No clean rows were given, and none were needed: the detector "
        f"({plain(result.settings.get('detector', 'not recorded'))}) was trained on the feed "
        "alone, and every row was judged by a detector that was not trained on it.",
        f"Proved means that at least {100 * LEAST_GAP:.0f} points more malware passes a detector "
        "trained with the suspected rows than one trained without them, and that values of other "
        f"goodware in the same columns do less ({DRAWS} draws, p at most {SIGNIFICANT:g}, "
        "corrected by Holm over all candidates).",
        "Thresholds and constants were set beforehand, on feeds of the simulated corpus and on a "
        "few hundred rows of EMBER 2017 (docs/audit.md). On other features they are untested.",
    )


def cannot_be_seen() -> tuple[str, ...]:
    """What the audit is blind to, a sentence each."""
    return (
        f"A trigger of fewer than {FEWEST_COLUMNS} unusual columns "
        f"(fewer than {FEWEST_COLUMNS - 1}, if its rows agree in further columns).",
        f"All columns of a trigger of more than {MOST_COLUMNS}: only the most unusual are named.",
        f"A trigger in fewer than {LEAST_HOLDERS} rows, or in less than {100 * LEAST_SHARE:g} % "
        "of the goodware.",
        f"A trigger of ranges, with a new value in each row, if fewer than {LEAST_SPOT} rows hold "
        "it or many other rows lie in these ranges.",
        "A part with too few columns, of a trigger that is split over the rows.",
        "Poison that makes goodware look like malware, or that only lowers the accuracy.",
        "A trigger that this detector does not learn, but another kind of detector would.",
        "That a marker is natural: values that dissimilar goodware shares, that no malware holds "
        "and that the detector relies on work as a trigger does, and are reported as one.",
        "Whether values can be put into a working program: the audit sees only feature vectors.",
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
