"""The report as one page that needs no other file: the answer first, then the evidence."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dokunuki.audit.reporting.charts import draw_map, draw_pass_rates, draw_power
from dokunuki.audit.reporting.evidence import (
    COMPARED,
    column_evidence,
    judges_of,
)
from dokunuki.audit.reporting.texts import NONE, counted, number, p_value, percent, plain
from dokunuki.audit.reporting.words import (
    CANARY_OUTCOMES,
    KEEP,
    OUTCOMES,
    TITLES,
    answer,
    assumed,
    cannot_be_seen,
    explain,
    leading_trigger,
    not_counted,
    power,
    trigger_in_words,
    what_to_do,
)
from dokunuki.figures.pages import Column, Table, render, share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dokunuki.audit.reporting.evidence import ColumnEvidence, Held, Suspect
    from dokunuki.audit.reporting.facts import Facts
    from dokunuki.audit.results import AuditResult, Canary, Finding

# What is shown; the files beside the report hold all.
_FIRST_ROWS, _ROWS, _FIRST_COLUMNS, _CHECKED, _FINDINGS = 5, 200, 4, 10, 20
_MARKS = {"proved": "▲", "suspicious": "◆", "nothing proved": "○", "cannot tell": "?"}
_LABELS = ("goodware", "malware")
_SHORT = 22


@dataclass(frozen=True)
class _Section:
    """A trigger as the page shows it."""

    number: int
    title: str
    outcome: str
    told: str
    table: Table


def report_page(result: AuditResult, facts: Facts, suspects: Sequence[Suspect]) -> str:
    """The report as HTML. It holds no script and loads nothing; its policy forbids both."""
    leading = leading_trigger(result)
    shown = (*result.triggers, *result.refuted)[:_FINDINGS]
    evidence = column_evidence(shown, result, facts)
    by_finding = {id(one): held for one, held in zip(shown, evidence, strict=True)}
    concerned = [one for one in suspects if one.action != KEEP]
    counts = canary_counts(result.canaries or ())
    return render(
        "dokunuki.audit.reporting",
        "report.html",
        title=plain(facts.title),
        verdict=result.verdict,
        verdict_class=result.verdict.replace(" ", "-"),
        heading=TITLES[result.verdict],
        mark=_MARKS[result.verdict],
        answer=answer(result),
        leading=None if leading is None else trigger_in_words(leading),
        leading_table=None
        if leading is None
        else _first_columns(by_finding[id(leading)][:_FIRST_COLUMNS]),
        first_rows=[
            {
                "name": plain(facts.name(one.row), _SHORT),
                "place": _short_place(one.row, facts),
                "label": _LABELS[int(facts.y[one.row])],
                "action": one.action,
            }
            for one in concerned[:_FIRST_ROWS]
        ],
        concerned=len(concerned),
        steps=what_to_do(result, facts),
        facts_line=_facts_line(result, facts),
        reasons=[_capital(plain(reason, 1000)) for reason in result.reasons],
        power_told=power(result.canaries),
        not_counted=not_counted(result.canaries or ()),
        triggers=[
            _section(index, one, by_finding[id(one)])
            for index, one in enumerate(shown, start=1)
            if one.outcome != "refuted"
        ],
        refuted=[
            _section(index, one, by_finding[id(one)])
            for index, one in enumerate(shown, start=1)
            if one.outcome == "refuted"
        ],
        compared=counted(COMPARED, "row"),
        pass_rates=_image(draw_pass_rates(result, facts)),
        rates_table=_rates_table(result, facts),
        map=_image(draw_map(result, facts)),
        suspects=_suspects_table(suspects[:_ROWS], result, facts),
        has_ids=facts.ids is not None,
        suspects_shown=min(_ROWS, len(suspects)),
        suspects_all=len(suspects),
        purified=facts.purified,
        accuracies=_accuracies(facts),
        power_chart=_image(draw_power(counts)),
        canaries=_canaries_table(result.canaries or ()),
        checks=_checks_table(result, facts),
        checked=_checked_rows(result, facts),
        constant=_constant_columns(result, facts),
        assumed=assumed(result),
        cannot_be_seen=cannot_be_seen(),
        setup=_setup_table(result, facts),
    )


def canary_counts(canaries: Sequence[Canary]) -> dict[str, Counter[str]]:
    """How many canaries of each attack had each outcome, in the order given; those that work."""
    counts: dict[str, Counter[str]] = {}
    for one in canaries:
        if one.works and one.outcome is not None:
            counts.setdefault(plain(one.label, 40), Counter())[one.outcome] += 1
    return counts


def _short_place(row: int, facts: Facts) -> str:
    """Where a row that has an id stands; the file is told where there are several."""
    if facts.ids is None:
        return ""
    place = facts.place(row) if facts.several_files else facts.place(row).rpartition(", ")[2]
    return plain(place, 40)


def _facts_line(result: AuditResult, facts: Facts) -> list[str]:
    checks = result.checks
    parts = [
        f"{counted(checks.goodware + checks.malware, 'row')}: {checks.goodware:,} goodware, "
        f"{checks.malware:,} malware",
        plain(facts.layout.name),
    ]
    if result.accuracy == result.accuracy:
        detector = plain(result.settings.get("detector", "detector"))
        parts.append(f"{detector}, right on {percent(result.accuracy)} of held-out rows")
    if facts.seconds is not None:
        parts.append(f"audited in {_duration(facts.seconds)}")
    return parts


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _first_columns(held: Sequence[ColumnEvidence]) -> Table:
    return Table(
        [
            Column("Column", lambda one: plain(one.name, 34), kind="text"),
            Column("Trigger", _trigger),
            Column("Goodware's median", lambda one: _median(one.goodware)),
        ],
        held,
    )


def _section(index: int, finding: Finding, held: Sequence[ColumnEvidence]) -> _Section:
    return _Section(
        index,
        trigger_in_words(finding),
        OUTCOMES[finding.outcome],
        explain(finding),
        Table(
            [
                Column("Column", lambda one: plain(one.name), kind=""),
                Column("Trigger", _trigger),
                Column("Other goodware: median", lambda one: _median(one.goodware)),
                Column("holds it", lambda one: _share(one.goodware)),
                Column("Malware: median", lambda one: _median(one.malware)),
                Column("holds it", lambda one: _share(one.malware)),
                Column("Trigger's rows: hold it", lambda one: percent(one.own)),
                Column("Group", lambda one: plain(one.group), kind=""),
            ],
            held,
        ),
    )


def _trigger(one: ColumnEvidence) -> str:
    return number(one.low) if one.low == one.high else f"{number(one.low)} to {number(one.high)}"


def _median(held: Held | None) -> str:
    return NONE if held is None else number(held.median)


def _share(held: Held | None) -> str:
    return NONE if held is None else percent(held.share)


def _rates_table(result: AuditResult, facts: Facts) -> Table:
    after = None if facts.purified is None else [rates[1] for rates in facts.purified.pass_rates]
    columns: list[Column] = [
        Column("Trigger", lambda pair: pair[0] + 1),
        Column("Detector as it is", lambda pair: percent(pair[1].pass_as_is)),
        Column("Without the suspects", lambda pair: percent(pair[1].pass_without)),
        Column("No trigger", lambda pair: percent(pair[1].pass_unstamped)),
        Column("Chance adds", lambda pair: _chance(pair[1]), hint="95 % of draws, in points"),
        Column("p", lambda pair: p_value(pair[1].p_value).removeprefix("p ").removeprefix("= ")),
        Column("Outcome", lambda pair: OUTCOMES[pair[1].outcome], kind=""),
    ]
    if after is not None:
        columns.insert(3, Column("Purified detector", lambda pair: percent(after[pair[0]])))
    return Table(columns, list(enumerate(result.triggers)))


def _chance(finding: Finding) -> str:
    chance = finding.null_range
    if chance is None:
        return NONE
    return f"{100 * chance[0]:+z.0f} to {100 * chance[1]:+z.0f}"


def _suspects_table(suspects: Sequence[Suspect], result: AuditResult, facts: Facts) -> Table:
    columns = [Column("Row", lambda one: one.row)]
    columns += [
        Column("Label", lambda one: _LABELS[int(facts.y[one.row])], kind=""),
        Column("What to do", lambda one: one.action, kind=""),
        Column("Trigger", lambda one: ", ".join(map(str, one.triggers)) or NONE),
        Column("Votes", lambda one: one.votes),
        *(_strength(place, judge) for place, judge in enumerate(judges_of(result))),
    ]
    # Of a single file, the row's number says it all.
    if facts.several_files:
        columns.append(Column("File and row", lambda one: plain(facts.place(one.row)), kind=""))
    # Last, since on a narrow screen it would push all else out of sight.
    if facts.ids is not None:
        columns.append(Column("Id", lambda one: plain(facts.name(one.row)), kind=""))
    return Table(columns, suspects)


def _strength(place: int, judge: str) -> Column:
    def shown(suspect: Suspect) -> str:
        strength = suspect.strength[place]
        return f"{strength:.2f}" if strength else NONE

    return Column(_capital(judge), shown, hint="strength, from 0 to 1")


def _canaries_table(canaries: Sequence[Canary]) -> Table:
    """A line for each canary, those that count first."""

    def measured(show: Callable[[Canary], object]) -> Callable[[Canary], object]:
        return lambda one: NONE if one.left_out else show(one)

    return Table(
        [
            Column("Attack", lambda one: plain(one.label, 40), kind=""),
            Column("Poison", lambda one: f"{one.poison_rate:g} %", hint="of the rows"),
            Column("Passes", measured(lambda one: percent(one.asr)), hint="malware, with trigger"),
            Column("Without the poison", measured(lambda one: percent(one.asr_clean))),
            Column("Outcome", _canary_outcome, kind="text"),
            Column(
                "Columns named",
                measured(lambda one: f"{one.columns_named} of {one.trigger_size}"),
            ),
            Column(
                "Poisoned rows found",
                measured(lambda one: f"{one.rows_suspected:,} of {one.poisoned_rows:,}"),
            ),
            Column("Other rows found", measured(lambda one: f"{one.others_suspected:,}")),
            Column(
                "A miss lets pass",
                lambda one: percent(one.asr) if _is_missed(one) else NONE,
                hint="malware",
            ),
        ],
        sorted(canaries, key=lambda one: (not one.works, bool(one.left_out))),
    )


def _canary_outcome(canary: Canary) -> str:
    if canary.left_out:
        return f"not planted: {plain(canary.left_out, 160)}"
    if not canary.works:
        return "does not work"
    return CANARY_OUTCOMES[canary.outcome or "missed"]


def _is_missed(canary: Canary) -> bool:
    return canary.works and canary.outcome == "missed"


def _checks_table(result: AuditResult, facts: Facts) -> Table:
    checks = result.checks
    lines = [
        ("Rows left out, since an earlier row has the same id", facts.repeated.rows),
        ("Ids with both labels (only the first row was audited)", facts.repeated.contrary),
        ("Rows that repeat an earlier one, with the same label", len(checks.copies)),
        ("Rows whose vector also occurs with the other label", len(checks.conflicts)),
        ("Rows that are all zeros", len(checks.zero_rows)),
        ("Columns with the same value in all rows", len(checks.constant_columns)),
    ]
    return Table(
        [
            Column("Check", lambda line: line[0], kind="text"),
            Column("Found", lambda line: f"{line[1]:,}"),
        ],
        lines,
    )


def _checked_rows(result: AuditResult, facts: Facts) -> list[tuple[str, str, int]]:
    """Of each check of rows, the first by name, and how many there are."""
    checks = result.checks
    lists = (
        ("With both labels", checks.conflicts),
        ("Repeated", checks.copies),
        ("All zeros", checks.zero_rows),
    )
    return [
        (name, ", ".join(plain(facts.name(int(row)), 40) for row in rows[:_CHECKED]), len(rows))
        for name, rows in lists
        if len(rows)
    ]


def _constant_columns(result: AuditResult, facts: Facts) -> tuple[str, int]:
    columns = result.checks.constant_columns
    names = [plain(facts.layout.names[int(one)], 40) for one in columns[:_CHECKED]]
    return ", ".join(names), len(columns)


def _setup_table(result: AuditResult, facts: Facts) -> Table:
    lines = [(plain(name), plain(value, 200)) for name, value in sorted(result.settings.items())]
    lines += [(plain(name), plain(version)) for name, version in sorted(facts.versions.items())]
    return Table(
        [
            Column("Setting or library", lambda line: line[0], kind=""),
            Column("Value", lambda line: line[1], kind="text"),
        ],
        lines,
    )


def _accuracies(facts: Facts) -> tuple[str, str]:
    """Before and after purifying; with a decimal, since a point more or less matters."""
    if facts.purified is None:
        return NONE, NONE
    return share(facts.purified.accuracy_before), share(facts.purified.accuracy_after)


def _image(svg: bytes | None) -> str | None:
    return None if svg is None else base64.b64encode(svg).decode("ascii")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
