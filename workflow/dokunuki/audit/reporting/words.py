"""The answer of an audit in sentences: what was found, what to do about it, what it rests on."""

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

    `named` is how many of its columns are told, the most unusual first.
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
            f"once it carries the trigger, and {percent(leading.pass_without)} where the detector "
            f"is trained without the suspected rows, of which {len(leading.rows):,} "
            f"{'holds' if len(leading.rows) == 1 else 'hold'} it."
        )
    if result.verdict == "suspicious":
        rows = 0 if leading is None else len(leading.rows)
        return (
            f"This feed may hold a backdoor: {counted(rows, 'goodware row')} "
            f"{'shares' if rows == 1 else 'share'} values as planting leaves them, but that they "
            "let malware pass was not proved."
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
    """What a finding did, in one sentence or two."""
    does = (
        f"Stamped into malware that the detector did not train on, it lets "
        f"{percent(finding.pass_as_is)} pass as goodware; {percent(finding.pass_unstamped)} passes "
        f"without it, and {percent(finding.pass_without)} with it where the detector was trained "
        "without the suspected rows."
    )
    if finding.outcome == "proved":
        return (
            f"{does} Values of other goodware in the same columns do not do that "
            f"({p_value(finding.p_value)})."
        )
    if finding.outcome == "evasion":
        return (
            f"{does} It passes with either detector: this is evasion, which no cleaning of the "
            "feed will mend, and no sign of poison."
        )
    if finding.outcome == "suspicious":
        return (
            f"{does} Its rows share it as no accident would have it, but its effect on the "
            "detector is not proved."
        )
    return f"{does} That is no more than chance, or kinship of the rows, explains."


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
            "Until then, do not count on a detector that was trained on this feed.",
            "Audit again with more rows of the same source: a real trigger gets clearer.",
        )
    if result.verdict == "nothing proved":
        return (*_after_nothing(result, facts),)
    return (
        "Mend what is named above, and audit again.",
        "Until then, treat the feed as not audited: this says neither good nor bad of it.",
    )


def _after_nothing(result: AuditResult, facts: Facts) -> list[str]:
    steps = ["Do not read this as clean: it says what was looked for and not proved."]
    if result.canaries is None:
        steps.append(
            "Have the audit plant backdoors of its own (--canaries quick), to learn how many of "
            "them it misses on this feed."
        )
    conflicts = len(result.checks.conflicts)
    if conflicts:
        steps.append(
            f"Look at the {counted(conflicts, 'row')} whose vector stands with both labels "
            "(feed_checks.csv)."
        )
    if facts.repeated.contrary:
        steps.append(
            f"Look at the rows of {counted(facts.repeated.contrary, 'id')} with both labels "
            "(feed_checks.csv): only the first of each was audited."
        )
    if any(one.outcome == "evasion" for one in result.triggers):
        steps.append(
            "Mind the evasion below: these values let malware pass whatever rows are left out."
        )
    steps.append("Audit again when rows are added.")
    return steps


def power(canaries: Sequence[Canary] | None) -> str:
    """What the audit made of backdoors of its own, in one sentence; those that work count."""
    if canaries is None:
        return "How much it misses on this feed was not measured."
    working = [one for one in canaries if one.works]
    if not working:
        return (
            f"Of {counted(len(canaries), 'backdoor')} that this audit tried on copies of this "
            "feed, none worked: how much it misses was not measured."
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
            f"{counted(planted, 'attack')} did too little to the detector to be a backdoor: at "
            f"least {100 * LEAST_DELTA:.0f} points more malware have to pass with the poison than "
            "without."
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
        "The poison stands in rows called goodware, and is there to make malware pass.",
        "Its rows share values, or narrow ranges, in several columns.",
        f"No clean rows were given, and none were needed: the detector "
        f"({plain(result.settings.get('detector', 'not recorded'))}) was trained on the feed "
        "alone, and every row was judged by one that was not trained on it.",
        f"Proved means: at least {100 * LEAST_GAP:.0f} points more malware pass with the rows than "
        "without, and more than other goodware's values in the same columns do "
        f"({DRAWS} draws, p at most {SIGNIFICANT:g}, Holm over all candidates).",
        "Thresholds and constants were set beforehand, on feeds of the simulated corpus and on "
        "some hundred rows of EMBER 2017 (docs/audit.md). On other features they are untried.",
    )


def cannot_be_seen() -> tuple[str, ...]:
    """What the audit is blind to, a sentence each."""
    return (
        f"A trigger of fewer than {FEWEST_COLUMNS} unusual columns "
        f"({FEWEST_COLUMNS - 1}, where its rows agree in some more).",
        f"All of a trigger of more than {MOST_COLUMNS} columns: the most unusual are named.",
        f"A trigger in fewer than {LEAST_HOLDERS} rows, or in less than {100 * LEAST_SHARE:g} % "
        "of the goodware.",
        f"A trigger of ranges, with a new value in each row, in fewer than {LEAST_SPOT} rows, or "
        "of ranges where many other rows lie.",
        "Parts of a trigger that is split over the rows, where a part has too few columns.",
        "Poison that makes goodware look like malware, or that only lowers the accuracy.",
        "A trigger that another kind of detector would learn, and this one does not.",
        "A natural marker that unlike goodware shares, no malware holds and the detector relies "
        "on: it works as a trigger does, and is reported as one.",
        "Whether values can be put into a working program: the audit sees feature vectors.",
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
