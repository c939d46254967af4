"""The bounds of the audit, on tables whose answer is known."""

from __future__ import annotations

import pandas as pd
import pytest

from bench.audit_bounds import bounds

CATALOGUE = "the catalogue's attacks"


def feed(attack="fgsm-flip", verdict="proved", delta_asr=80.0, right=16, asr=3.0, accuracy=96.0):
    audited = verdict == "proved" and attack != "none"
    return {
        "corpus": "simulated", "rows": 6000, "detector": "lightgbm", "attack": attack,
        "verdict": verdict, "delta_asr": delta_asr if attack != "none" else "",
        "columns_true": 16, "columns_right": right,
        "asr_clean": 2.0, "asr_purified": asr if audited else "",
        "accuracy_clean": 97.0, "accuracy_purified": accuracy if audited else "",
        "accuracy_told": 96.5 if audited else "",
    }  # fmt: skip


def lines(*feeds):
    table = bounds(pd.DataFrame(feeds))
    return {(line.feeds, line.what): line for line in table.itertuples()}


def test_only_feeds_whose_attack_works_are_counted():
    found = lines(feed(), feed(verdict="not audited", delta_asr=39.9))
    assert found[CATALOGUE, "proved"].counted == 1
    assert found[CATALOGUE, "proved"].verdict == "met"


def test_a_suspicious_feed_is_found_and_not_proved():
    found = lines(feed(), feed(verdict="suspicious"))
    assert found[CATALOGUE, "proved or suspicious"].measured == "2 of 2"
    assert found[CATALOGUE, "proved"].measured == "1 of 2"
    assert found[CATALOGUE, "proved"].verdict == "missed"


def test_half_of_the_columns_must_be_named():
    what = "proved, and half of the columns named"
    assert lines(feed(right=8))[CATALOGUE, what].verdict == "met"
    assert lines(feed(right=7))[CATALOGUE, what].verdict == "missed"


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"asr": 12.1}, "ASR left once purified, in points"),
        ({"accuracy": 95.4}, "accuracy lost once purified, in points"),
    ],
)
def test_the_worst_feed_decides_what_a_purified_detector_is_worth(changed, what):
    assert lines(feed(), feed())[CATALOGUE, what].verdict == "met"
    missed = lines(feed(), feed(**changed))[CATALOGUE, what]
    assert missed.verdict == "missed"
    assert missed.measured.endswith("1 of 2 within")


def test_of_clean_feeds_none_is_proved_and_one_in_ten_may_be_suspicious():
    quiet = [feed("none", "nothing proved")] * 18
    found = lines(*quiet, *[feed("none", "suspicious")] * 2)
    assert found["no attack", "suspicious"].verdict == "met"
    assert found["no attack", "proved"].verdict == "met"
    alarmed = lines(*quiet, *[feed("none", "suspicious")] * 3, feed("none", "proved"))
    assert alarmed["no attack", "suspicious"].verdict == "missed"
    assert alarmed["no attack", "proved"].verdict == "missed"


def test_the_attack_kept_aside_has_lines_of_its_own():
    found = lines(feed(), feed("transplant", "nothing proved"))
    assert found[CATALOGUE, "proved"].measured == "1 of 1"
    assert found["an attack kept aside", "proved"].measured == "0 of 1"


def test_what_no_feed_can_tell_is_not_measured():
    found = lines(feed(verdict="nothing proved"))
    assert found["no attack", "proved"].verdict == "not measured"
    assert found[CATALOGUE, "ASR left once purified, in points"].verdict == "not measured"
