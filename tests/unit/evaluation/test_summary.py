from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dokunuki.evaluation.measures import COUNTS, MEASURES
from dokunuki.evaluation.summary import summarise, t_interval
from dokunuki.evaluation.tabular import build_table, load_schema


def metrics_row(seed, asr, defence="ae", **changes):
    row = {
        **dict.fromkeys(COUNTS, 10),
        **dict.fromkeys(MEASURES, 0.5),
        "dataset": "feed",
        "corpus": "ember",
        "seed": seed,
        "attack": "greedy",
        "trigger_size": 8,
        "poison_rate": 1.0,
        "defence": defence,
        "classifier": "embernn",
        "train_rows": 100,
        "poison_rows": 1,
        "status": "ok",
        "device": "cpu",
        "certificate": None,
        "asr": asr,
    }
    return row | changes


def diverged(seed):
    return metrics_row(
        seed, None, status="diverged", **dict.fromkeys([*COUNTS, *MEASURES[:4], *MEASURES[5:]])
    )


def summary_of(*rows):
    return summarise(build_table(list(rows), load_schema("metrics"))).to_dict("records")


def test_the_interval_worked_by_hand():
    # Mean 0.4; squared deviations 0.04 + 0 + 0.04; s = 0.2; t(0.975, 2) = 4.302653.
    mean, half = t_interval([0.2, 0.4, 0.6])
    assert mean == pytest.approx(0.4)
    assert half == pytest.approx(4.302653 * 0.2 / math.sqrt(3), rel=1e-6)


def test_one_seed_has_no_interval_and_none_has_no_mean():
    mean, half = t_interval([0.3])
    assert mean == 0.3
    assert math.isnan(half)
    assert all(math.isnan(value) for value in t_interval([]))
    assert t_interval([0.2, math.nan, 0.2]) == (0.2, 0.0)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_the_interval_is_student_t(values):
    mean, half = t_interval(values)
    error = stats.sem(values)
    assert half == pytest.approx(stats.t.ppf(0.975, len(values) - 1) * error, abs=1e-9)
    assert min(values) - 1e-12 <= mean <= max(values) + 1e-12


def test_intervals_are_clipped_to_the_range_of_shares():
    (cell,) = summary_of(metrics_row(1, 0.0, delta_asr=-0.9), metrics_row(2, 1.0, delta_asr=0.1))
    # t(0.975, 1) = 12.7: the interval would reach far beyond both ends.
    assert (cell["asr_mean"], cell["asr_low"], cell["asr_high"]) == (0.5, 0.0, 1.0)
    assert cell["asr_half"] == pytest.approx(12.7062 * 0.5, rel=1e-4)
    assert (cell["delta_asr_low"], cell["delta_asr_high"]) == (-1.0, 1.0)


def test_radii_are_no_shares():
    (cell,) = summary_of(
        metrics_row(1, 0.1, median_radius=30.0), metrics_row(2, 0.1, median_radius=50.0)
    )
    assert (cell["median_radius_mean"], cell["median_radius_low"]) == (40.0, 0.0)
    assert cell["median_radius_high"] == pytest.approx(40 + 12.7062 * 10, rel=1e-4)


def test_diverged_seeds_count_and_do_not_enter_the_mean():
    (cell,) = summary_of(metrics_row(1, 0.2), diverged(2), metrics_row(3, 0.4))
    assert (cell["seeds_ok"], cell["seeds_failed"]) == (2, 1)
    assert cell["asr_mean"] == pytest.approx(0.3)
    (cell,) = summary_of(diverged(1), diverged(2))
    assert (cell["seeds_ok"], cell["seeds_failed"]) == (0, 2)
    assert math.isnan(cell["asr_mean"])
    assert math.isnan(cell["asr_low"])


def test_groups_are_everything_but_the_seed():
    cells = summary_of(
        metrics_row(1, 0.2),
        metrics_row(1, 0.3, defence="deletion"),
        metrics_row(1, 0.4, trigger_size=4),
        metrics_row(2, 0.6),
    )
    assert [(c["trigger_size"], c["defence"], c["asr_mean"]) for c in cells] == [
        (4, "ae", 0.4),
        (8, "ae", pytest.approx(0.4)),
        (8, "deletion", 0.3),
    ]
    assert [c["seeds_ok"] for c in cells] == [1, 2, 1]


def test_an_unpoisoned_cell_has_accuracy_and_no_asr():
    measures = ("asr_detected", "asr_clean", "delta_asr", "asr_at_1", "asr_at_01")
    attack = dict.fromkeys((*measures, "poison_recall", "poison_precision"))
    (cell,) = summary_of(
        metrics_row(1, None, attack="none", trigger_size=0, poison_rate=0.0, **attack)
    )
    assert cell["accuracy_mean"] == 0.5
    assert math.isnan(cell["asr_mean"])
