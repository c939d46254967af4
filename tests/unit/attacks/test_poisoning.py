from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dokunuki.attacks.planting import plant_poison
from dokunuki.attacks.poisoning import (
    Poison,
    read_poison,
    rows_to_poison,
    write_poison,
)
from dokunuki.attacks.row_choice import shuffled_rows
from dokunuki.attacks.trigger import Trigger, trigger_feature
from dokunuki.corpus.layout import feature_layout
from dokunuki.errors import AttackError, DataFileError
from dokunuki.storage.arrays import open_arrays, read_attributes, write_arrays
from dokunuki.storage.files import sha256_of


@pytest.fixture(scope="module")
def trigger(layout):
    names = ["timestamp", "has_debug", "avlength"]
    return Trigger(
        attack="independent",
        columns=tuple(
            trigger_feature(layout, layout.index(name), value, {})
            for name, value in zip(names, [77, 1, 0.5], strict=True)
        ),
        label_flip=False,
        surrogate="embernn",
        seed=1,
        parameters={},
        layout=feature_layout(1),
    )


@pytest.fixture(scope="module")
def training(layout):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(40, layout.width)).astype(np.float32)
    y = rng.permutation(np.repeat([0, 1], 20))
    return X, y


def poisoned(poison, training):
    X, y = (values.copy() for values in training)
    poison.apply(X, y)
    return X, y


def planted(training, trigger, rate, seed=5, poisoned_class=0, label_flip=False):
    return plant_poison(
        training[1], trigger, rate, poisoned_class=poisoned_class, label_flip=label_flip, seed=seed
    )


@pytest.mark.parametrize(
    ("rate", "rows", "count"),
    [
        (0, 8000, 0),
        (1, 8000, 80),  # Severi et al.: of the whole training set
        (0.5, 8000, 40),
        (4, 8000, 320),
        (0.5, 500, 3),  # 2.5, half up
        (0.35, 1000, 4),  # 3.5, half up: 0.35 * 1000 / 100 is 3.4999... in binary
        (1, 149, 1),  # 1.49
        (1, 150, 2),  # 1.5
        (0.5, 100, 1),  # 0.5
        (100, 7, 7),
    ],
)
def test_count_is_the_rate_of_the_whole_training_set(rate, rows, count):
    assert rows_to_poison(rate, rows) == count


def test_rate_that_rounds_to_no_row():
    with pytest.raises(AttackError, match=r"0\.4 % of 100 .*rounds to no row: one row is 1 %"):
        rows_to_poison(0.4, 100)


@pytest.mark.parametrize("rate", [-1, 100.5, float("nan")])
def test_rate_out_of_range(rate):
    with pytest.raises(AttackError, match="0 to 100 percent"):
        rows_to_poison(rate, 100)


def test_rate_finer_than_the_grid_of_rates():
    with pytest.raises(AttackError, match=r"1\.005 is not a multiple of 0\.01 percent"):
        rows_to_poison(1.005, 1000)


def test_more_poison_than_candidates(training, trigger):
    poison = planted(training, trigger, 60)
    assert poison.count == 20
    assert poison.cell(3, 51).count == 20  # 20.4
    with pytest.raises(AttackError, match="asks for 21 goodware rows, and there are 20"):
        poison.cell(3, 52)  # 20.8
    with pytest.raises(AttackError, match="asks for 40 malware rows, and there are 20"):
        planted(training, trigger, 100, poisoned_class=1).cell(3, 100)


@pytest.mark.parametrize("size", [0, 4])
def test_no_cell_is_wider_than_the_poison(training, trigger, size):
    with pytest.raises(AttackError, match=f"sets 3 columns and cannot be cut to {size}"):
        planted(training, trigger, 10).cell(size, 10)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("rate", [2.5, 10, 25])
def test_a_cell_of_the_largest_poison_is_the_poison_of_that_cell(training, trigger, size, rate):
    cell = planted(training, trigger, 50, label_flip=True).cell(size, rate)
    alone = planted(training, trigger.prefix(size), rate, label_flip=True)
    for mine, theirs in zip(poisoned(cell, training), poisoned(alone, training), strict=True):
        assert np.array_equal(mine, theirs)


@settings(max_examples=30)
@given(
    rate=st.integers(250, 5000).map(lambda hundredths: hundredths / 100),
    seed=st.integers(0, 2**40),
    poisoned_class=st.integers(0, 1),
    label_flip=st.booleans(),
)
def test_properties_of_a_poisoned_training_set(
    training, trigger, layout, rate, seed, poisoned_class, label_flip
):
    X, y = training
    X_before, y_before = X.copy(), y.copy()
    poison = planted(training, trigger, rate, seed, poisoned_class, label_flip)
    X_poisoned, y_poisoned = poisoned(poison, training)

    assert np.array_equal(X, X_before)
    assert np.array_equal(y, y_before)
    assert X_poisoned.shape == X.shape
    assert X_poisoned.dtype == X.dtype
    assert y_poisoned.dtype == y.dtype
    assert poison.count == rows_to_poison(rate, len(X))
    assert (y[poison.indices] == poisoned_class).all()

    others = np.setdiff1d(np.arange(layout.width), trigger.indices)
    assert np.array_equal(X_poisoned[:, others], X[:, others])
    untouched = np.setdiff1d(np.arange(len(X)), poison.indices)
    assert np.array_equal(X_poisoned[untouched], X[untouched])
    assert np.array_equal(y_poisoned[untouched], y[untouched])
    assert (X_poisoned[poison.indices][:, trigger.indices] == trigger.values).all()
    if label_flip:
        assert (y_poisoned[poison.indices] == 1 - poisoned_class).all()
    else:
        assert np.array_equal(y_poisoned, y)


def test_poison_sets_are_nested_over_rates(training, trigger):
    largest = planted(training, trigger, 50).indices
    for rate in (2.5, 5, 10, 25):
        smaller = planted(training, trigger, rate).indices
        assert np.array_equal(smaller, largest[: len(smaller)])


def test_rows_drawn_depend_on_seed_and_class_alone(training, trigger):
    rows = planted(training, trigger, 25).indices
    assert np.array_equal(rows, planted(training, trigger.prefix(1), 25, label_flip=True).indices)
    assert not np.array_equal(rows, planted(training, trigger, 25, seed=6).indices)
    assert not set(rows) & set(planted(training, trigger, 25, poisoned_class=1).indices)


def test_rows_may_be_chosen(training, trigger):
    rows = shuffled_rows(training[1], 0, seed=5)[::-1]
    poison = plant_poison(
        training[1], trigger, 25, poisoned_class=0, label_flip=False, seed=5, rows=rows
    )
    assert np.array_equal(poison.indices, rows[:10])


class Striped:
    """Feature j of the trigger goes into every other row only."""

    def poison_mask(self, count, size, seed):
        return np.arange(count)[:, None] % 2 == np.arange(size) % 2


class Unfit:
    def poison_mask(self, count, size, seed):
        return np.ones((count, size))


def masked(training, trigger, attack, rate=25):
    X, y = training
    return plant_poison(
        y, trigger, rate, poisoned_class=0, label_flip=True, seed=5, shaping=(attack, X)
    )


def test_masked_features_keep_the_rows_own_values(training, trigger, tmp_path, sources):
    poison = masked(training, trigger, Striped())
    write_poison(tmp_path / "poison.h5", poison, **sources)
    X, y = poisoned(read_poison(tmp_path / "poison.h5"), training)
    before = training[0]
    for number, row in enumerate(poison.indices):
        stamped = trigger.indices[number % 2 :: 2]
        left = np.setdiff1d(np.arange(X.shape[1]), stamped)
        assert np.array_equal(X[row, stamped], trigger.values[number % 2 :: 2])
        assert np.array_equal(X[row, left], before[row, left])
    assert (y[poison.indices] == 1).all()
    assert poison.values.dtype == np.float32


def test_a_cell_of_masked_poison_is_the_masked_poison_of_that_cell(training, trigger):
    cell = masked(training, trigger, Striped(), 50).cell(2, 10)
    alone = masked(training, trigger.prefix(2), Striped(), 10)
    assert np.array_equal(cell.values, alone.values)


def test_masks_of_another_form_are_refused(training, trigger):
    message = r"Unfit\.poison_mask gave float64 \(10, 3\) .*must be bool \(10, 3\)"
    with pytest.raises(AttackError, match=message):
        masked(training, trigger, Unfit())


class Rising:
    """The i-th row holds i more than the trigger does."""

    def poison_values(self, trigger, observed, count, seed):
        return (trigger.values + np.arange(count)[:, None]).astype(np.float32)


class RisingStripes(Rising, Striped):
    pass


class Unvaried:
    def poison_values(self, trigger, observed, count, seed):
        return np.ones((count, 1))


def test_varied_values_stand_for_those_of_the_trigger(training, trigger):
    poison = masked(training, trigger, Rising())
    assert np.array_equal(poison.values, trigger.values + np.arange(10)[:, None])
    cell = masked(training, trigger, Rising(), 50).cell(2, 10)
    assert np.array_equal(cell.values, masked(training, trigger.prefix(2), Rising(), 10).values)


def test_varied_values_may_be_masked_too(training, trigger):
    poison = masked(training, trigger, RisingStripes())
    own = training[0][np.ix_(poison.indices, trigger.indices)]
    striped = np.arange(10)[:, None] % 2 == np.arange(3) % 2
    varied = trigger.values + np.arange(10)[:, None]
    assert np.array_equal(poison.values, np.where(striped, varied, own))


def test_varied_values_of_another_form_are_refused(training, trigger):
    message = r"Unvaried\.poison_values gave float64 \(10, 1\) .*must be float32 \(10, 3\)"
    with pytest.raises(AttackError, match=message):
        masked(training, trigger, Unvaried())


def test_rate_zero_alters_nothing(training, trigger, tmp_path, sources):
    poison = planted(training, trigger, 0)
    assert poison.count == 0
    write_poison(tmp_path / "p.h5", poison, **sources)
    X, y = poisoned(read_poison(tmp_path / "p.h5"), training)
    assert np.array_equal(X, training[0])
    assert np.array_equal(y, training[1])


def test_apply_refuses_another_matrix(training, trigger):
    X, y = training
    poison = planted(training, trigger, 5)
    for other in ((X[:-1], y[:-1]), (X[:, :600], y), (X, y[:-1])):
        with pytest.raises(AttackError, match="belongs to 40 training rows, not to rows"):
            poison.apply(*other)


@pytest.mark.parametrize(
    ("indices", "labels", "message"),
    [
        ([0, 0], [0, 0], "twice"),
        ([0, 40], [0, 0], "outside the 40 training rows"),
        ([-1, 3], [0, 0], "outside the 40 training rows"),
        ([0, 1], [0], "one label"),
    ],
)
def test_poison_cannot_contradict_itself(indices, labels, message):
    with pytest.raises(AttackError, match=message):
        Poison(
            np.array(indices), np.array([7]), np.zeros((2, 1), np.float32), np.array(labels), 40, 0
        )


def test_plant_refuses_a_class_that_makes_no_sense(training, trigger):
    with pytest.raises(AttackError, match="0 or 1, not -1"):
        planted(training, trigger, 5, poisoned_class=-1)


@pytest.fixture
def sources(tmp_path):
    """Two files that a poison can name as its origin."""
    vectors, trigger = tmp_path / "vectors.h5", tmp_path / "trigger.json"
    vectors.write_bytes(b"vectors")
    trigger.write_bytes(b"trigger")
    return {"vectors": vectors, "trigger": trigger}


@pytest.mark.promise(4)
def test_round_trip_gives_the_whole_training_set_back(tmp_path, training, trigger, sources):
    poison = planted(training, trigger, 20, poisoned_class=1, label_flip=True)
    write_poison(tmp_path / "poison.h5", poison, **sources)
    read = read_poison(tmp_path / "poison.h5", vectors=sources["vectors"])
    for mine, theirs in zip(poisoned(read, training), poisoned(poison, training), strict=True):
        assert np.array_equal(mine, theirs)
    dtypes = [getattr(read, name).dtype for name in ("indices", "columns", "values", "labels")]
    assert dtypes == [np.int64, np.int64, np.float32, np.int8]
    assert (read.train_rows, read.poisoned_class) == (40, 1)


@pytest.mark.promise(4)
def test_the_file_grows_with_the_poison_and_not_with_the_dataset(tmp_path, trigger, sources):
    def stored_bytes(rows, rate):
        labels = (np.arange(rows) % 2).astype(np.int8)
        poison = plant_poison(labels, trigger, rate, poisoned_class=0, label_flip=False, seed=5)
        write_poison(tmp_path / "poison.h5", poison, **sources)
        return poison.count, (tmp_path / "poison.h5").stat().st_size

    (few, small), (as_few, as_small) = stored_bytes(4_000, 25), stored_bytes(400_000, 0.25)
    assert few == as_few == 1000
    assert abs(as_small - small) < 8 * few  # one number for each altered row, at most
    many, large = stored_bytes(400_000, 2.5)
    assert many == 10 * few
    assert large > small + 8 * few


def test_file_names_its_sources(tmp_path, training, trigger, sources):
    write_poison(tmp_path / "poison.h5", planted(training, trigger, 20), **sources)
    with open_arrays(tmp_path / "poison.h5") as file:
        attributes = read_attributes(file)
    assert attributes["vectors"] == str(sources["vectors"])
    assert attributes["vectors_sha256"] == hashlib.sha256(b"vectors").hexdigest()
    assert attributes["trigger_sha256"] == hashlib.sha256(b"trigger").hexdigest()


@pytest.mark.promise(8)
def test_same_seed_same_bytes(tmp_path, training, trigger, sources):
    for name in ("a.h5", "b.h5"):
        write_poison(tmp_path / name, planted(training, trigger, 20), **sources)
    assert sha256_of(tmp_path / "a.h5") == sha256_of(tmp_path / "b.h5")
    write_poison(tmp_path / "c.h5", planted(training, trigger, 20, seed=6), **sources)
    assert sha256_of(tmp_path / "a.h5") != sha256_of(tmp_path / "c.h5")


def test_reader_notices_other_vectors(tmp_path, training, trigger, sources):
    write_poison(tmp_path / "poison.h5", planted(training, trigger, 20), **sources)
    sources["vectors"].write_bytes(b"other vectors")
    with pytest.raises(DataFileError, match=r"was planted in .* before .* changed"):
        read_poison(tmp_path / "poison.h5", vectors=sources["vectors"])


def test_reader_refuses_damaged_files(tmp_path, training, trigger, sources):
    path = tmp_path / "poison.h5"
    with pytest.raises(DataFileError, match="no such file"):
        read_poison(path)
    write_poison(path, planted(training, trigger, 20), **sources)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataFileError, match="damaged, truncated or"):
        read_poison(path)
    write_arrays(path, {"indices": np.arange(3)})
    with pytest.raises(DataFileError, match="not a poison file"):
        read_poison(path)


def test_reader_refuses_poison_outside_the_training_rows(tmp_path):
    path = tmp_path / "poison.h5"
    write_arrays(
        path,
        {
            "indices": np.array([41]),
            "columns": np.array([7]),
            "values": np.zeros((1, 1), np.float32),
            "labels": np.zeros(1, np.int8),
        },
        {"train_rows": 40, "poisoned_class": 0, "vectors": "v", "vectors_sha256": "0"},
    )
    with pytest.raises(DataFileError, match=r"poison\.h5: poison refers to rows outside"):
        read_poison(path)
