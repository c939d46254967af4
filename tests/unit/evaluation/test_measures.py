from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dokunuki.evaluation.measures import MEASURES, RANGES, Measures, measure, threshold_at
from dokunuki.victims.scores import Scores, empty_scores


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


def test_thresholds_come_from_the_calibration_rows_labelled_goodware():
    # 200 of them: two may be called malware at 1 %, none at 0.1 %.
    goodware = np.float32([0.1] * 196 + [0.3, 0.4, 0.6, 0.7])
    labels = np.repeat([0, 1], [200, 3])
    measured = measure(
        cell(
            test=[0.1, 0.49, 0.65, 0.9, 0.2],
            triggered=[0.9, 0.1, 0.5, 0.2],
            calibration=[*goodware, 0.0, 0.0, 1.0],
            calibration_labels=labels,
        ),
        UNPOISONED,
    )
    assert measured.calibration_rows == 203
    assert measured.threshold_fpr_1 == np.nextafter(np.float32(0.4), np.float32(1))
    assert (measured.fpr_at_1, measured.tpr_at_1) == (pytest.approx(2 / 3), 1 / 2)
    assert measured.asr_at_1 == 1 / 2
    assert measured.threshold_fpr_01 == np.nextafter(np.float32(0.7), np.float32(1))
    assert (measured.fpr_at_01, measured.tpr_at_01, measured.asr_at_01) == (0, 1 / 2, 3 / 4)


def test_equal_scores_stand_on_one_side_of_the_threshold():
    scores = np.float32([0.1] * 95 + [0.8] * 5)
    assert np.count_nonzero(scores >= np.float32(threshold_at(scores, 100))) == 0
    # Five of a hundred may be called malware, and of a score of 1 none is: nothing lies above it.
    assert np.count_nonzero(scores >= np.float32(threshold_at(scores, 20))) == 5
    assert threshold_at(np.float32([0.5, 1.0]), 100) > 1


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=400), st.sampled_from([10, 100]))
def test_a_threshold_is_the_smallest_that_keeps_its_rate(values, per):
    scores = np.float32(values)
    threshold = np.float32(threshold_at(scores, per))
    assert np.count_nonzero(scores >= threshold) * per <= len(scores)
    below = np.nextafter(threshold, np.float32(0))
    assert np.count_nonzero(scores >= below) * per > len(scores)


def test_without_calibration_rows_filter_and_certificate_their_measures_are_empty():
    measured = measure(cell(), UNPOISONED)
    names = list(Measures.__dataclass_fields__)
    for name in names[names.index("threshold_fpr_1") :]:
        value = getattr(measured, name)
        assert value is None or math.isnan(value)


def filtered(poison_removed=2, **changes):
    counts = {"goodware_removed": 5, "malware_removed": 1, "goodware_rows": 40}
    return cell(poison_rows=4, poison_removed=poison_removed, **(counts | changes))


def test_a_filter_is_measured_by_what_it_removed():
    measured = measure(filtered(), UNPOISONED)
    assert (measured.poison_recall, measured.poison_precision) == (2 / 4, 2 / 8)
    assert (measured.goodware_removed, measured.removed_rows) == (5 / 40, 8)
    idle = measure(filtered(0, goodware_removed=0, malware_removed=0), UNPOISONED)
    assert (idle.poison_recall, idle.removed_rows) == (0, 0)
    assert math.isnan(idle.poison_precision)


def test_without_poison_a_filter_has_neither_recall_nor_precision():
    measured = measure(
        cell(
            poison_rows=0, poison_removed=0, goodware_removed=5, malware_removed=1, goodware_rows=50
        ),
        empty_scores(),
    )
    assert math.isnan(measured.poison_recall)
    assert math.isnan(measured.poison_precision)
    assert (measured.goodware_removed, measured.removed_rows) == (5 / 50, 6)


@pytest.mark.parametrize(
    ("certificate", "changes", "size", "accuracy"),
    [
        # Right are the first, second and fourth, with radii 3, 0 and 1.
        ("rows", {"poison_rows": 3}, 8, 1 / 5),
        ("rows", {"poison_rows": 1}, 8, 2 / 5),
        ("rows", {"poison_rows": 0}, 0, 2 / 5),
        ("features", {"poison_rows": 50}, 2, 1 / 5),
        ("features", {"poison_rows": 0}, 0, 2 / 5),
        # A label that the poison changed is no feature; it belongs to a row.
        ("features", {"poison_rows": 1, "flipped_rows": 1}, 1, 0),
        ("rows", {"poison_rows": 1, "flipped_rows": 1}, 1, 2 / 5),
    ],
)
def test_certified_accuracy_holds_against_what_the_cell_altered(
    certificate, changes, size, accuracy
):
    scores = cell(certificate=certificate, test_radius=[3, 0, 9, 1, 9], **changes)
    measured = measure(scores, UNPOISONED, size)
    assert measured.certified_accuracy == pytest.approx(accuracy)
    assert measured.median_radius == 3


unit = st.floats(0, 1, width=32)


@given(st.lists(st.tuples(unit, unit, unit), min_size=1, max_size=30))
def test_shares_stay_in_their_range_and_agree(rows):
    validation, triggered, clean = np.array(rows, dtype=np.float32).T
    measured = measure(cell(validation=validation, triggered=triggered), clean)
    for name in MEASURES:
        value = getattr(measured, name)
        least, greatest = RANGES.get(name, (0, 1))
        assert math.isnan(value) or least <= value <= greatest
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
        "calibration_rows",
        "removed_rows",
    }
