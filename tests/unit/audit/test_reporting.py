"""The report of an audit: the right words, files that machines can trust, nothing from outside."""

from __future__ import annotations

import base64
import csv
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from dokunuki.audit.reporting import write_audit
from dokunuki.audit.reporting.evidence import column_evidence
from dokunuki.audit.reporting.facts import Facts, Purified, RepeatedIds
from dokunuki.audit.reporting.records import read_verdict, verdict_record, write_verdict
from dokunuki.audit.reporting.texts import number, percent, plain
from dokunuki.audit.reporting.words import power, trigger_in_words
from dokunuki.audit.results import (
    AuditResult,
    Canary,
    Candidate,
    Evidence,
    FeedChecks,
    Finding,
    Purification,
    Structure,
    Suspects,
)
from dokunuki.corpus.layout import layout_of_groups
from dokunuki.errors import DataFileError, DokunukiError
from dokunuki.storage.arrays import write_arrays
from dokunuki.storage.matrix import StoredMatrix
from html_reader import Reader

EVIL = "<script>alert('x')</script>&\"$_{"
COLUMNS = [f"count{index}" for index in range(40)]
ROWS = 400
HELD = np.arange(0, 60, 2)


def layout_of(names):
    return layout_of_groups(
        "made-up features",
        {"numbers": tuple((name, "count") for name in names)},
        undefended=[],
        non_hashed=names,
        feasible=names,
    )


LAYOUT = layout_of(COLUMNS)
NONE = np.empty(0, dtype=np.int64)


def rows(seed=0):
    X = np.random.default_rng(seed).poisson(5, (ROWS, LAYOUT.width)).astype(np.float32)
    return X, np.arange(ROWS) % 2


def finding(outcome="proved", names=COLUMNS, held=HELD, columns=16):
    values = np.arange(9987, 9987 + columns, dtype=np.float32)
    candidate = Candidate(
        np.arange(columns),
        values,
        held,
        Structure(0.1, 0.2, 1.5, 0.4),
        planted_like=True,
        stark=True,
        judges=("shared values",),
    )
    without = 0.97 if outcome == "evasion" else 0.04
    return Finding(candidate, tuple(names[:columns]), 0.97, without, 0.02, 0.005, outcome)


def result_of(verdict, *, names=COLUMNS):
    _, y = rows()
    outcome = {"proved": "proved", "suspicious": "suspicious"}.get(verdict)
    triggers = (finding(outcome, names),) if outcome else ()
    strength = np.zeros(ROWS, dtype=np.float32)
    strength[HELD] = 1
    other = np.zeros(ROWS, dtype=np.float32)
    other[[0, 100]] = 0.5
    suspects = Suspects((Evidence("shared values", strength), Evidence("flipping", other)))
    if verdict == "cannot tell":
        suspects = None
    return AuditResult(
        verdict=verdict,
        reasons=("the feed holds no malware: a detector needs rows of both labels",),
        checks=FeedChecks(
            int((y == 0).sum()), int((y == 1).sum()), np.array([7]), np.array([3, 4]), NONE,
            np.array([39]), (),
        ),
        accuracy=math.nan if verdict == "cannot tell" else 0.93,
        suspects=suspects,
        triggers=triggers,
        refuted=(finding("refuted", names, np.arange(200, 220)),),
        purification=Purification(HELD[:20], HELD[20:]) if outcome else Purification(NONE, NONE),
        settings={"detector": "lightgbm", "seed": 0},
    )  # fmt: skip


def facts_of(**changes):
    X, y = rows()
    X[HELD, :16] = np.arange(9987, 10003)
    named = {
        "title": "feed.parquet",
        "layout": LAYOUT,
        "X": X,
        "y": y,
        "ids": [f"{row:064x}" for row in range(ROWS)],
        "files": ["part.parquet"] * ROWS,
        "file_rows": np.arange(ROWS) + 5,
        "seconds": 41.0,
        "versions": {"dokunuki": "0.1.0"},
    }
    return Facts(**(named | changes))


PURIFIED = Purified("LightGBM", 380, 90, 0.93, 0.925, ((0.97, 0.05),), {"strict": 0.9})


def canary(label, outcome, asr, **told):
    named = Canary(label.lower(), label, 4.0, 16, poisoned_rows=12, asr_clean=0.1, asr=asr)
    return replace(named, verdict="nothing proved", outcome=outcome, **told)


CANARIES = (
    canary("Independent", "proved", 0.9, columns_named=14, rows_suspected=11, poison_rate=1.0),
    canary("Independent", "missed", 0.63),
    canary("Greedy", "suspicious", 0.8),
)
TOO_WEAK = canary("Adaptive", "missed", 0.49)
NOT_PLANTED = Canary("fgsm", "FGSM", 4.0, 16, left_out="there are too few rows")


def first_screen(folder):
    page = (folder / "report.html").read_text()
    return Reader(page[: page.index('<p class="facts">')] + "</main></body></html>")


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("proved", ["Backdoor proved", "This feed holds a backdoor: 97 % of malware passes",
                    "count0 = 9987 and 15 others, in 30 goodware rows", "leave 20 rows out",
                    "relabel 10 rows as malware"]),
        ("suspicious", ["Suspicious", "may hold a backdoor", "was not proved",
                        "count0 = 9987 and 15 others, in 30 goodware rows"]),
        ("nothing proved", ["Nothing proved", "that does not mean that it holds none",
                            "Do not take the feed for clean", "not measured"]),
        ("cannot tell", ["Cannot tell", "because the feed holds no malware",
                         "neither for nor against"]),
    ],
)  # fmt: skip
def test_the_first_screen_says_the_verdict_and_what_to_do(tmp_path, verdict, said):
    write_audit(tmp_path, result_of(verdict), facts_of())
    text = " ".join(first_screen(tmp_path).text.split())
    for words in said:
        assert words.lower() in text.lower(), text


def test_nothing_proved_never_reads_as_clean(tmp_path):
    write_audit(tmp_path, result_of("nothing proved"), facts_of())
    text = Reader((tmp_path / "report.html").read_text()).text.lower()
    for words in ("is clean", "feed clean", "no backdoor.", "safe", "passed"):
        assert words not in text


def test_the_power_stands_beside_nothing_proved(tmp_path):
    told = (*CANARIES, TOO_WEAK, NOT_PLANTED)
    write_audit(tmp_path, replace(result_of("nothing proved"), canaries=told), facts_of())
    text = " ".join(first_screen(tmp_path).text.split())
    assert (
        "Of 3 backdoors that this audit planted into copies of this feed and that worked, it "
        "proved 1, suspected 1 and missed 1; the one missed would let 63 % of malware pass." in text
    )
    assert "not measured" not in text
    assert "--canaries quick" not in text


@pytest.mark.parametrize(
    ("canaries", "told"),
    [
        (None, "How much the audit misses on this feed was not measured."),
        (CANARIES[:1], "Of 1 backdoor that this audit planted into copies of this feed and that "
         "worked, it proved 1."),
        (CANARIES[1:2] * 2, "worked, it proved 0 and missed 2; those missed would let up to 63 % "
         "of malware pass."),
        ((TOO_WEAK, NOT_PLANTED), "Of 2 backdoors that this audit tried on copies of this feed, "
         "none worked, so how much it misses could not be measured."),
    ],
    ids=["none", "one", "missed", "weak"],
)  # fmt: skip
def test_the_power_is_told_of_what_works_alone(canaries, told):
    assert power(canaries).endswith(told)


def test_each_canary_has_its_line(tmp_path):
    told = (NOT_PLANTED, TOO_WEAK, *CANARIES)
    write_audit(tmp_path, replace(result_of("proved"), canaries=told), facts_of(purified=PURIFIED))
    page = (tmp_path / "report.html").read_text()
    text = " ".join(re.sub("<[^>]+>", " ", page).split())
    assert "Independent 1 % 90 % 10 % proved 14 of 16 11 of 12 0 –" in text
    assert "Independent 4 % 63 % 10 % missed 0 of 16 0 of 12 0 63 %" in text
    assert "Adaptive 4 % 49 % 10 % does not work 0 of 16 0 of 12 0 –" in text
    assert "FGSM 4 % – – not planted: there are too few rows – – – –" in text
    assert "1 attack changed the detector too little to count as a backdoor" in text
    assert "1 attack could not be planted here" in text
    first, *_ = read_verdict(tmp_path / "verdict.json")["canaries"]
    assert first == {
        "attack": "fgsm", "label": "FGSM", "poison_rate": 4.0, "trigger_size": 16,
        "left_out": "there are too few rows", "poisoned_rows": None, "asr": None,
        "asr_clean": None, "works": None, "verdict": None, "outcome": None, "columns_named": None,
        "rows_suspected": None, "others_suspected": None,
    }  # fmt: skip


def test_evasion_is_told_and_called_no_poison(tmp_path):
    result = replace(result_of("nothing proved"), triggers=(finding("evasion"),))
    write_audit(tmp_path, result, facts_of())
    assert "How much the audit misses" in first_screen(tmp_path).text
    text = " ".join(Reader((tmp_path / "report.html").read_text()).text.split())
    assert "not a sign of poison" in text
    assert "Note the evasion below" in text


@pytest.mark.parametrize("verdict", ["proved", "suspicious", "nothing proved", "cannot tell"])
def test_the_verdict_is_read_as_it_was_written(tmp_path, verdict):
    result, facts = replace(result_of(verdict), canaries=CANARIES), facts_of(purified=None)
    write_audit(tmp_path, result, facts)
    record = read_verdict(tmp_path / "verdict.json")
    assert record["verdict"] == verdict
    assert record["rows"] == {"all": 400, "goodware": 200, "malware": 200}
    assert record["accuracy"] == (None if verdict == "cannot tell" else 0.93)
    assert [one["outcome"] for one in record["canaries"]] == ["proved", "missed", "suspicious"]
    if verdict == "proved":
        trigger = record["triggers"][0]
        assert trigger["words"] == "count0 = 9987 and 15 others, in 30 goodware rows"
        assert trigger["columns"][1] == {"column": 1, "name": "count1", "value": 9988.0}
        assert record["suspects"] == {
            "listed": 31, "leave_out": 20, "relabel": 10,
            "by_judge": {"shared values": 30, "flipping": 2},
        }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verdict": "clean"}, "verdict: 'clean' is not one of"),
        ({"accuracy": 1.5}, "accuracy: 1.5"),
        ({"more": 1}, "the whole: Additional properties"),
    ],
)
def test_a_verdict_that_breaks_its_schema_is_not_written(tmp_path, change, message):
    record = verdict_record(result_of("proved"), facts_of(), []) | change
    with pytest.raises(DataFileError, match=message):
        write_verdict(tmp_path / "verdict.json", record)
    assert not list(tmp_path.iterdir())


def test_an_edited_verdict_is_refused(tmp_path):
    write_audit(tmp_path, result_of("proved"), facts_of())
    path = tmp_path / "verdict.json"
    path.write_text(path.read_text().replace('"proved"', '"nothing proved"'))
    with pytest.raises(DataFileError, match=r"verdict\.json"):
        read_verdict(path)


def test_suspects_are_listed_with_every_judge_and_what_to_do(tmp_path):
    write_audit(tmp_path, result_of("proved"), facts_of())
    with (tmp_path / "suspects.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 31
    # Row 0 has two votes, and so comes first.
    assert lines[0] == {
        "row": "0", "id": f"{0:064x}", "file": "part.parquet", "file_row": "5",
        "label": "goodware", "action": "leave out", "trigger": "1", "votes": "2",
        "shared values": "1.000", "flipping": "0.500",
    }  # fmt: skip
    assert {line["row"]: line["action"] for line in lines}["58"] == "relabel as malware"
    assert (lines[-1]["row"], lines[-1]["action"], lines[-1]["trigger"]) == ("100", "keep", "")


def test_triggers_hold_all_rows_by_id(tmp_path):
    write_audit(tmp_path, result_of("proved"), facts_of())
    record = json.loads((tmp_path / "triggers.json").read_text())
    assert [one["row"] for one in record["triggers"][0]["rows"]] == HELD.tolist()
    assert record["triggers"][0]["rows"][1]["id"] == f"{2:064x}"
    assert record["refuted"][0]["number"] == 2


def test_ids_with_both_labels_are_told_wherever_one_looks(tmp_path):
    listed = (("ab" * 32, (("part.parquet:1", 0), ("part.parquet:9", 1))),)
    facts = facts_of(repeated=RepeatedIds(rows=3, contrary=1, listed=listed))
    write_audit(tmp_path, result_of("nothing proved"), facts)
    assert read_verdict(tmp_path / "verdict.json")["feed_checks"]["contrary_ids"] == 1
    lines = (tmp_path / "feed_checks.csv").read_text().splitlines()
    assert lines[-2:] == [
        f"id with both labels,,{'ab' * 32},part.parquet:1,,goodware",
        f"id with both labels,,{'ab' * 32},part.parquet:9,,malware",
    ]
    page = (tmp_path / "report.html").read_text()
    assert "Look at the rows of 1 id with both labels" in page


def test_feed_checks_are_listed(tmp_path):
    write_audit(tmp_path, result_of("nothing proved"), facts_of(ids=None, files=None))
    lines = (tmp_path / "feed_checks.csv").read_text().splitlines()
    assert lines == [
        "problem,row,id,file,file_row,label",
        "conflict,3,,,8,malware", "conflict,4,,,9,goodware", "copy,7,,,12,malware",
    ]  # fmt: skip


def test_the_same_result_gives_the_same_bytes(tmp_path):
    result, facts = replace(result_of("proved"), canaries=CANARIES), facts_of(purified=PURIFIED)
    for name in ("one", "two"):
        write_audit(tmp_path / name, result, facts)
    written = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert written == [
        "feed_checks.csv", "model_card.md", "report.html", "suspects.csv", "triggers.json",
        "verdict.json",
    ]  # fmt: skip
    for name in written:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_card_of_an_earlier_detector_goes_and_other_files_stay(tmp_path):
    write_audit(tmp_path, result_of("proved"), facts_of(purified=PURIFIED))
    (tmp_path / "clean_feed.parquet").write_bytes(b"rows")
    write_audit(tmp_path, result_of("proved"), facts_of())
    assert not (tmp_path / "model_card.md").exists()
    assert (tmp_path / "clean_feed.parquet").read_bytes() == b"rows"


def test_the_card_says_what_was_measured_and_what_may_be_left(tmp_path):
    write_audit(tmp_path, result_of("proved"), facts_of(purified=PURIFIED, title=EVIL))
    card = (tmp_path / "model_card.md").read_text()
    assert "| trained on the feed as it is | 93.0 |" in card
    assert re.search(r"count0 = 9987 and 15 others.*\| proved \| 97 % \| 5 % \|", card)
    assert "A trigger of fewer than" in card
    assert "<script" not in card.replace("\\<", "")


@pytest.mark.parametrize("verdict", ["proved", "suspicious", "nothing proved", "cannot tell"])
def test_odd_names_stay_text(tmp_path, verdict):
    names = [f"{EVIL}{index}" for index in range(40)]
    facts = facts_of(
        title=EVIL,
        layout=layout_of(names),
        ids=[EVIL] * ROWS,
        files=["\udcff\u202e.parquet\n"] * ROWS,
        versions={EVIL: EVIL},
        purified=replace(PURIFIED, classifier=EVIL, pass_rates=((0.9, 0.1),))
        if verdict in ("proved", "suspicious") else None,
    )  # fmt: skip
    evil = (replace(CANARIES[1], label=EVIL), replace(NOT_PLANTED, left_out=EVIL))
    result = replace(result_of(verdict, names=names), reasons=(EVIL,), canaries=evil)
    write_audit(tmp_path, result, facts)
    page = (tmp_path / "report.html").read_text()
    reader = Reader(page)
    assert "script" not in {tag for tag, _ in reader.seen}
    assert EVIL in reader.text
    assert "\u202e" not in page
    read_verdict(tmp_path / "verdict.json")
    assert b"\\udcff" in (tmp_path / "suspects.csv").read_bytes() or verdict == "cannot tell"


def test_nothing_is_loaded_from_outside(tmp_path):
    result = replace(result_of("proved"), canaries=CANARIES)
    write_audit(tmp_path, result, facts_of(purified=PURIFIED))
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r"https?:|//|url\(|@import", re.sub(r"base64,[\w+/=]+", "", page))
    assert "default-src 'none'" in page
    pictures = 0
    for tag, attributes in Reader(page).seen:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form")
        assert not [name for name in attributes if name.startswith("on")]
        if "href" in attributes:
            assert attributes["href"].startswith("#")
            assert f'id="{attributes["href"][1:]}"' in page
        if "src" in attributes:
            head, _, held = attributes["src"].partition(",")
            assert head == "data:image/svg+xml;base64"
            svg = base64.b64decode(held).decode()
            assert "<script" not in svg
            assert "<image" not in svg
            # References of a namespace or of metadata are names, and are not followed.
            assert not re.search(r'(?<!:)\bhref="(?!#)', svg)
            pictures += 1
    assert pictures == 3


def test_a_report_of_many_long_names_stays_small(tmp_path):
    names = ["n" * 3000 + str(index) for index in range(64)]
    layout = layout_of(names)
    X = np.random.default_rng(0).random((ROWS, 64)).astype(np.float32)
    found = tuple(finding("proved", names, np.arange(200), columns=64) for _ in range(30))
    result = replace(
        result_of("proved"), triggers=found, refuted=found, reasons=("r" * 10_000,) * 60
    )
    facts = facts_of(
        layout=layout, X=X, ids=["i" * 5000] * ROWS, files=["f" * 5000] * ROWS,
    )  # fmt: skip
    long = (replace(CANARIES[0], label="a" * 9000), replace(NOT_PLANTED, left_out="a" * 9000))
    write_audit(tmp_path, replace(result, canaries=long), facts)
    assert (tmp_path / "report.html").stat().st_size <= 5_000_000


def test_rows_that_stay_in_their_file_give_the_same_report(tmp_path):
    facts = facts_of()
    write_arrays(tmp_path / "rows.h5", {"X": facts.X})
    stored = replace(facts, X=StoredMatrix(tmp_path / "rows.h5", "X"))
    for name, told in (("memory", facts), ("file", stored)):
        write_audit(tmp_path / name, result_of("proved"), told)
    pages = [(tmp_path / name / "report.html").read_bytes() for name in ("memory", "file")]
    assert pages[0] == pages[1]


def test_each_column_is_held_against_other_rows_alone():
    facts = facts_of()
    facts.X[1::2, 0] = 9987  # all malware holds the first value
    (held,) = column_evidence([finding()], result_of("proved"), facts)
    assert [one.name for one in held] == COLUMNS[:16]
    first, second = held[:2]
    assert (first.own, first.goodware.share, first.malware.share) == (1, 0, 1)
    assert (second.own, second.malware.share) == (1, 0)
    others = np.setdiff1d(np.flatnonzero(facts.y == 0), HELD)
    assert second.goodware.median == np.median(facts.X[others, 1])


def test_the_null_range_is_told_where_it_is_known(tmp_path):
    found = replace(finding(), null_range=(-0.04, 0.09))
    result = replace(result_of("proved"), triggers=(found,))
    write_audit(tmp_path, result, facts_of())
    assert read_verdict(tmp_path / "verdict.json")["triggers"][0]["null_range"] == [-0.04, 0.09]
    page = Reader((tmp_path / "report.html").read_text())
    rates = page.sections["How much malware passes", ""]
    assert rates == [
        [
            "Trigger",
            "Detector as it is",
            "Without the suspects",
            "No trigger",
            "Chance adds",
            "p",
            "Outcome",
        ],
        ["1", "97 %", "4 %", "2 %", "-4 to +9", "0.005", "proved"],
    ]


def test_the_file_of_a_row_is_told_where_there_are_several(tmp_path):
    files = ["one.parquet"] * 200 + ["two.parquet"] * 200
    for name, told in (("several", files), ("single", files[:1] * ROWS)):
        write_audit(tmp_path / name, result_of("proved"), facts_of(files=told))
    several, single = (
        Reader((tmp_path / name / "report.html").read_text()) for name in ("several", "single")
    )
    assert several.sections["Suspected rows", ""][1][-2] == "one.parquet, row 5"
    assert "one.parquet" not in single.text


def test_facts_of_another_feed_are_refused(tmp_path):
    X, _ = rows()
    unmatched = replace(PURIFIED, pass_rates=())
    with pytest.raises(DokunukiError, match="the audit is of 400 rows, and X has 399"):
        write_audit(tmp_path, result_of("proved"), facts_of(X=X[1:]))
    with pytest.raises(DokunukiError, match="ids has 1"):
        write_audit(tmp_path, result_of("proved"), facts_of(ids=["a"]))
    with pytest.raises(DokunukiError, match="pass_rates has 0 entries"):
        write_audit(tmp_path, result_of("proved"), facts_of(purified=unmatched))
    assert not list(tmp_path.iterdir())


def test_a_feed_without_a_row_gets_its_report(tmp_path):
    none = np.empty(0, dtype=np.int64)
    result = replace(
        result_of("cannot tell"),
        checks=FeedChecks(0, 0, none, none, none, none, ("empty",)),
        refuted=(),
    )
    facts = facts_of(X=np.empty((0, 40), np.float32), y=none, ids=[], files=[], file_rows=none)
    write_audit(tmp_path, result, facts)
    assert read_verdict(tmp_path / "verdict.json")["rows"]["all"] == 0


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.float32(9987), "9987"),
        (np.float32(1325376000), "1325376000"),
        (np.float32(0.1), "0.1"),
        (np.float32(-0.0), "0"),
        (np.float32(1e20), "1e+20"),
        (1 / 3, "0.333333"),
    ],
)
def test_values_are_shown_as_a_reader_would_type_them(value, shown):
    assert number(value) == shown


def test_shares_do_not_round_to_none_or_all():
    assert [percent(share) for share in (0, 0.004, 0.5, 0.996, 1, math.nan)] == [
        "0 %", "0.4 %", "50 %", "99.6 %", "100 %", "–",
    ]  # fmt: skip


def test_names_are_one_line_without_what_cannot_be_seen():
    assert plain("a\u202eb\n\x00") == "a\\u202eb\\n\\x00"
    assert plain("x" * 100, 20) == "x" * 14 + "…" + "x" * 5


@pytest.mark.parametrize(
    ("columns", "held", "said"),
    [
        (1, 1, "count0 = 9987, in 1 goodware row"),
        (2, 80, "count0 = 9987 and 1 other, in 80 goodware rows"),
    ],
)
def test_a_trigger_in_words(columns, held, said):
    assert trigger_in_words(finding(columns=columns, held=np.arange(held))) == said


def ranging() -> Finding:
    """A finding whose first column is a range, and whose second is a value."""
    exact = finding(columns=2)
    ranges = np.array([[9981, 9990.5], [9988, 9988]], dtype=np.float32)
    return replace(exact, candidate=replace(exact.candidate, ranges=ranges))


def test_a_trigger_of_ranges_in_words():
    said = "count0 between 9981 and 9990.5, count1 = 9988, in 30 goodware rows"
    assert trigger_in_words(ranging(), named=2) == said


def test_a_range_has_its_ends_in_the_files_and_on_the_page(tmp_path):
    result = replace(result_of("proved"), triggers=(ranging(),))
    write_audit(tmp_path, result, facts_of(purified=None))
    expected = [
        {"column": 0, "name": "count0", "value": 9987.0, "low": 9981.0, "high": 9990.5},
        {"column": 1, "name": "count1", "value": 9988.0},
    ]
    record = read_verdict(tmp_path / "verdict.json")
    assert record["triggers"][0]["columns"] == expected
    told = json.loads((tmp_path / "triggers.json").read_text(encoding="utf-8"))
    assert told["triggers"][0]["columns"] == expected
    assert "9981 to 9990.5" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_lies_in_a_range_holds_it():
    result, facts = result_of("proved"), facts_of()
    ((first, second),) = column_evidence([ranging()], result, facts)
    assert (first.own, second.own) == (1, 1)
    assert first.goodware.share == 0
