import numpy as np
import pytest

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.cross_examination import CrossExamination, CrossExaminationFilter
from dokunuki.errors import ConfigError, DokunukiError
from loud_poison import loud_rows, removed_by

LAYOUT = feature_layout(1)
SETTABLE = LAYOUT.non_hashed
BYTES = LAYOUT.undefended
HASHED = np.setdiff1d(LAYOUT.attackable, SETTABLE)
# Both views must be able to tell the classes apart.
INFORMATIVE = np.concatenate([BYTES[:100], HASHED[:300]])


def rows(trigger, poisoned=12, flip=True):
    return loud_rows(0, 300, LAYOUT.width, trigger, poisoned, flip, INFORMATIVE)


def examination(**parameters):
    return CrossExamination(LAYOUT, trees=20, **parameters)


def test_flipped_rows_are_malware_again_and_all_others_stay_as_they_are():
    X, y, poison = rows(SETTABLE)
    before = X.copy(), y.copy()
    ours = examination()
    kept, labels = ours.fit_resample(X, y)
    np.testing.assert_array_equal(kept, X)
    np.testing.assert_array_equal(labels, np.where(poison, 1, y))
    np.testing.assert_array_equal(ours.contradicted_, poison)
    assert labels.dtype == y.dtype
    assert not hasattr(ours, "sample_indices_")
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_flipped_rows_are_removed_and_no_others():
    X, y, poison = rows(SETTABLE)
    np.testing.assert_array_equal(
        removed_by(CrossExaminationFilter(LAYOUT, trees=20), X, y), poison
    )


@pytest.mark.parametrize(("poisoned", "flip"), [(0, True), (12, False)])
def test_rightly_labelled_rows_keep_their_label(poisoned, flip):
    X, y, _ = rows(SETTABLE, poisoned, flip)
    np.testing.assert_array_equal(examination().fit_resample(X, y)[1], y)


def test_hidden_columns_have_no_say():
    X, y, _ = rows(SETTABLE)
    ours = examination()
    ours.fit_resample(X, y)
    first = ours.contradicted_
    X[:, SETTABLE] = np.where(y == 0, 1, -1)[:, None]
    ours.fit_resample(X, y)
    np.testing.assert_array_equal(ours.contradicted_, first)


@pytest.mark.parametrize("trigger", [HASHED, BYTES], ids=["attackable", "undefended"])
def test_each_view_finds_the_trigger_that_it_hides_and_the_others_do_not(trigger):
    X, y, poison = rows(trigger)
    both = examination(hide=["all", "undefended"])
    both.fit_resample(X, y)
    np.testing.assert_array_equal(both.contradicted_, poison)
    assumed_wrongly = examination()
    assumed_wrongly.fit_resample(X, y)
    assert not assumed_wrongly.contradicted_.any()


def test_the_same_seed_contradicts_the_same_rows_on_any_number_of_threads():
    X, y, _ = loud_rows(0, 200, LAYOUT.width, SETTABLE, 10, True, INFORMATIVE[:1])
    found = [examination(seed=3, threads=threads, threshold=0.5) for threads in (1, 2)]
    for ours in found:
        ours.fit_resample(X, y)
    assert found[0].contradicted_.any()
    np.testing.assert_array_equal(found[0].contradicted_, found[1].contradicted_)


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0.4},
        {"folds": 1},
        {"hide": []},
        {"hide": "non_hashed"},
        {"hide": ["nowhere"]},
    ],
)
def test_a_parameter_out_of_range_is_refused(wrong):
    X, y, _ = rows(SETTABLE)
    with pytest.raises(ConfigError, match=next(iter(wrong)) + "|region"):
        examination(**wrong).fit_resample(X, y)


def test_trees_must_be_some():
    X, y, _ = rows(SETTABLE)
    with pytest.raises(ConfigError, match="trees"):
        CrossExamination(LAYOUT, trees=0).fit_resample(X, y)


def test_a_class_with_fewer_rows_than_folds_is_refused():
    X = np.zeros((10, LAYOUT.width), dtype=np.float32)
    with pytest.raises(DokunukiError, match="a class with 3 rows cannot be split into 5 folds"):
        examination().fit_resample(X, np.array([1] * 7 + [0] * 3))
