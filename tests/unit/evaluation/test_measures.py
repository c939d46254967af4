from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dokunuki.evaluation.measures import MEASURES, Measures, measure
from dokunuki.evaluation.scores import Scores, empty_scores


def cell(**changes):
    content = {
        "status": "ok",
        # Goodware: right, right, wrong (0.5 is malware); malware: right, wrong.
        "test_labels": [0, 0, 0, 1, 1],
        "test": [0.1, 0.49, 0.5, 0.9, 0.2],
        # Detected: the first three of four.
        "validation": [0.9, 0.8, 0.5, 0.3],
        # Evading: the second and the last.
        "triggered": [0.9, 0.1, 0.5, 0.2],
        "train_rows": 100,
        "poison_rows": 1,
        "device": "cpu",
    }
    return Scores(**(content | changes))


# Evading: the last.
UNPOISONED = np.float32([0.9, 0.6, 0.7, 0.2])


def test_measures_worked_by_hand():
    measured = measure(cell(), UNPOISONED)
    assert measured.accuracy == pytest.approx(3 / 5)
    assert measured.fpr == pytest.approx(1 / 3)
    assert measured.fnr == pytest.approx(1 / 2)
    # Of the 6 pairs goodware, malware: 0.9 beats all three, 0.2 beats 0.1 only.
    assert measured.roc_auc == pytest.approx(4 / 6)
    assert measured.asr == pytest.approx(2 / 4)
    assert measured.asr_detected == pytest.approx(1 / 3)
    assert measured.asr_clean == pytest.approx(1 / 4)
    assert measured.delta_asr == pytest.approx(1 / 4)
    assert measured.fnr_validation == pytest.approx(1 / 4)
    assert (measured.test_rows, measured.validation_rows, measured.detected_rows) == (5, 4, 3)


def test_without_a_trigger_the_attack_measures_are_nan():
    measured = measure(cell(triggered=empty_scores()), empty_scores())
    for name in ("asr", "asr_detected", "asr_clean", "delta_asr"):
        assert math.isnan(getattr(measured, name))
    assert measured.fnr_validation == pytest.approx(1 / 4)


def test_without_an_unpoisoned_model_only_the_differences_are_nan():
    measured = measure(cell(), empty_scores())
    assert measured.asr == pytest.approx(1 / 2)
    assert math.isnan(measured.asr_clean)
    assert math.isnan(measured.delta_asr)


def test_asr_detected_is_nan_when_nothing_is_detected():
    measured = measure(cell(validation=[0.1, 0.2, 0.3, 0.4]), UNPOISONED)
    assert math.isnan(measured.asr_detected)
    assert measured.fnr_validation == 1.0


def test_one_class_in_the_test_rows_has_no_auc_and_no_fpr():
    measured = measure(cell(test_labels=[1, 1, 1, 1, 1]), UNPOISONED)
    assert math.isnan(measured.roc_auc)
    assert math.isnan(measured.fpr)
    assert measured.accuracy == pytest.approx(2 / 5)


def test_a_diverged_cell_has_no_measures():
    with pytest.raises(ValueError, match="'diverged'"):
        measure(cell(status="diverged"), UNPOISONED)


unit = st.floats(0, 1, width=32)


@given(st.lists(st.tuples(unit, unit, unit), min_size=1, max_size=30))
def test_shares_stay_in_their_range_and_agree(rows):
    validation, triggered, clean = np.array(rows, dtype=np.float32).T
    measured = measure(cell(validation=validation, triggered=triggered), clean)
    for name in MEASURES:
        value = getattr(measured, name)
        assert math.isnan(value) or (-1 if name == "delta_asr" else 0) <= value <= 1
    # asr splits into the rows detected without the trigger and the others.
    missed = validation < 0.5
    if missed.any() and not missed.all():
        rest = np.mean(triggered[missed] < 0.5)
        share = measured.fnr_validation
        assert measured.asr == pytest.approx(measured.asr_detected * (1 - share) + rest * share)


def test_the_list_of_measures_leaves_out_counts_only():
    assert set(Measures.__dataclass_fields__) - set(MEASURES) == {
        "test_rows",
        "validation_rows",
        "detected_rows",
    }
