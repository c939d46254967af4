import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dokunuki.corpus.own_layout import read_layout
from dokunuki.defences.superimposing import SuperimposedRows
from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.parts.saving import read_part, write_part
from planted_feeds import NAMES, write_layout

# Columns 16 to 39 are the region non_hashed, and 40 to 79 the hashed ones.
IN_REGION = np.arange(20, 28)
OUTSIDE = np.arange(74, 80)


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    return read_layout(write_layout(tmp_path_factory.mktemp("layout")))


def labelled(rng, count):
    """The classes differ in hashed columns, and a little in two of the region."""
    y = (np.arange(count) % 2).astype(np.int8)
    X = rng.normal(size=(count, len(NAMES))).astype(np.float32)
    X[:, 44:74] += 0.6 * (2 * y - 1)[:, None]
    X[:, 16:18] += 0.6 * (2 * y - 1)[:, None]
    return X, y


def stamped(X, trigger):
    X = X.copy()
    X[:, trigger] = 5
    return X


def measured(layout, trigger, *, poisoned=50, **changes):
    """What passes and what is called malware by mistake, undefended and defended."""
    rng = np.random.default_rng(0)
    X, y = labelled(rng, 1000)
    test, truth = labelled(rng, 2000)
    poison = np.flatnonzero(y == 1)[:poisoned]
    X[poison], y[poison] = stamped(X[poison], trigger), 0
    malware = stamped(test[truth == 1], trigger)
    defence = SuperimposedRows(layout, LogisticRegression(C=0.1), **changes).fit(X, y)
    passing, alarms = (
        [float(np.mean(model.predict(rows) == verdict)) for model in (defence.estimator, defence)]
        for rows, verdict in ((malware, 0), (test[truth == 0], 1))
    )
    return passing, alarms


def test_malware_that_passes_by_a_trigger_is_called_malware(layout):
    (undefended, defended), (before, after) = measured(layout, IN_REGION)
    assert undefended > 0.95
    assert defended < 0.05
    assert after < before + 0.03


def test_without_poison_little_goodware_is_called_malware(layout):
    _, (before, after) = measured(layout, IN_REGION, poisoned=0)
    assert after < before + 0.03


def test_more_false_alarms_are_made_where_more_are_allowed(layout):
    alarms = [measured(layout, IN_REGION, false_alarms=share)[1][1] for share in (1, 20)]
    assert 0.1 < alarms[1] - alarms[0] < 0.3


def test_a_trigger_outside_of_the_region_passes(layout):
    (undefended, defended), _ = measured(layout, OUTSIDE)
    assert undefended > 0.95
    assert defended > 0.9


def test_in_a_region_that_tells_the_classes_apart_nothing_stands_out(layout):
    (_, defended), _ = measured(layout, IN_REGION, region="all")
    assert defended > 0.9


def test_each_row_is_scored_by_itself_also_after_loading(layout, tmp_path):
    rng = np.random.default_rng(1)
    X, y = labelled(rng, 300)
    X[1:41:2], y[1:41:2] = stamped(X[1:41:2], IN_REGION), 0
    defence = SuperimposedRows(layout, LogisticRegression()).fit(X, y)
    rows = np.concatenate([stamped(X[40:60], IN_REGION), X[40:60]])
    together = defence.predict_proba(rows)
    assert 0 < (together[:, 1] == 1).sum() < len(rows)
    np.testing.assert_allclose(
        np.concatenate([defence.predict_proba(row[None]) for row in rows]), together, atol=1e-6
    )
    loaded = read_part(tmp_path, write_part(tmp_path, "classifier", defence), (), "cpu")
    np.testing.assert_array_equal(loaded.predict_proba(rows), together)


def test_what_cannot_be_done_is_named(layout):
    X, y = labelled(np.random.default_rng(0), 20)
    for change in ({"donors": 0}, {"false_alarms": 50}):
        (name,) = change
        with pytest.raises(ConfigError, match=rf"{name}: {change[name]} must be"):
            SuperimposedRows(layout, LogisticRegression(), **change).fit(X, y)
    with pytest.raises(ConfigError, match="region"):
        SuperimposedRows(layout, LogisticRegression(), region="nowhere").fit(X, y)
    with pytest.raises(DokunukiError, match="rows of both classes, but got 0 goodware and 20 mal"):
        SuperimposedRows(layout, LogisticRegression()).fit(X, np.ones(20))
