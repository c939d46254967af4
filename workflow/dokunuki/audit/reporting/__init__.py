"""The report of an audit: for readers as one page, for machines as JSON and CSV.

Modules are split by what changes them: `words` has the sentences, `evidence` what they rest on,
`charts` the figures, `page` the page, `records` the files for machines, `model_card` the card.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dokunuki.audit.reporting.evidence import suspects_of
from dokunuki.audit.reporting.facts import check_facts
from dokunuki.audit.reporting.model_card import model_card
from dokunuki.audit.reporting.page import report_page
from dokunuki.audit.reporting.records import (
    triggers_record,
    verdict_record,
    write_feed_checks,
    write_suspects,
    write_verdict,
)
from dokunuki.storage.files import write_json, write_text

if TYPE_CHECKING:
    from dokunuki.audit.reporting.facts import Facts
    from dokunuki.audit.results import AuditResult


def write_audit(folder: str | Path, result: AuditResult, facts: Facts) -> None:
    """Write report.html, suspects.csv, triggers.json, feed_checks.csv and verdict.json.

    And model_card.md where there is a purified detector; one of an earlier audit is removed where
    there is none. Each file is written whole or not at all, verdict.json last: where it is new, all
    are. The same result and facts give the same bytes. Whatever else lies in the folder is left
    alone. Raises DokunukiError where the facts are not those of the result's feed, DiskFullError
    when there is no space left.
    """
    check_facts(result, facts)
    folder = Path(folder)
    suspects = suspects_of(result)
    record = verdict_record(result, facts, suspects)
    write_suspects(folder / "suspects.csv", suspects, result, facts)
    write_feed_checks(folder / "feed_checks.csv", result, facts)
    write_json(folder / "triggers.json", triggers_record(result, facts))
    if facts.purified is not None:
        write_text(folder / "model_card.md", model_card(result, facts))
    else:
        (folder / "model_card.md").unlink(missing_ok=True)
    write_text(folder / "report.html", report_page(result, facts, suspects))
    write_verdict(folder / "verdict.json", record)
