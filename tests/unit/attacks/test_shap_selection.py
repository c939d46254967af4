"""Independent and Greedy Combined Selection: worked examples, and the plain formulation.

The plain formulation (`bench.plain_selection`) is the reference for the vectorised code.
"""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.plain_selection import plain_greedy, plain_independent
from dokunuki.attacks.greedy import GreedyCombinedSelection
from dokunuki.attacks.independent import IndependentSelection
from dokunuki.attacks.protocol import Attack
from dokunuki.errors import AttackError, ConfigError
from dokunuki.storage.arrays import write_arrays
from dokunuki.storage.matrix import StoredMatrix

NAMES = ["numstrings", "avlength", "printables"]
ALL_ATTACKS = [
    IndependentSelection(),
    IndependentSelection(values="count_abs_shap"),
    GreedyCombinedSelection(),
]


def pairs(trigger):
    return list(zip(trigger.indices.tolist(), trigger.values.tolist(), strict=True))


def named(trigger):
    return [(feature.name, feature.value) for feature in trigger.columns]


@pytest.fixture
def worked(layout, widened, knowing):
    """Four rows; all other columns are constant 0 with S = 0, save outside the region.

    row   numstrings      avlength        printables
          X     S         X     S         X     S
    0     5    +4         1    -3         7    +1
    1     3    -2         2    -3         7    +1
    2     3    -2         2    +1         8    -2
    3     5    +1         9    -1         8    -4
    """
    columns = layout.indices(NAMES)
    X = widened([[5, 1, 7], [3, 2, 7], [3, 2, 8], [5, 9, 8]], columns, elsewhere=0)
    S = widened([[4, -3, 1], [-2, -3, 1], [-2, 1, -2], [1, -1, -4]], columns, elsewhere=0)
    outside = layout.undefended[0]
    S[:, outside] = -1000  # the strongest column of all, and not manipulable
    return knowing(X, S)


def test_independent_with_rarest_values(worked):
    # sums of |S|: numstrings 4+2+2+1 = 9, avlength 3+3+1+1 = 8, printables 1+1+2+4 = 8.
    # avlength and printables tie: avlength stands first in M.
    # numstrings: 5 and 3 occur twice each, 5 is met first. avlength: 1 and 9 occur once, 1 is met
    # first. printables: 7 and 8 occur twice each, 7 is met first.
    trigger = IndependentSelection().select_trigger(worked, 3)
    assert named(trigger) == [("numstrings", 5), ("avlength", 1), ("printables", 7)]
    assert trigger.columns[0].reason == {"sum_abs_shap": 9.0, "rows_with_value": 2}


def test_independent_with_count_abs_shap_values(worked):
    # numstrings: 5: 1/2 + 4 + 1 = 5.5; 3: 1/2 + 2 + 2 = 4.5 -> 3.
    # avlength: 1: 1/1 + 3 = 4; 2: 1/2 + 3 + 1 = 4.5; 9: 1/1 + 1 = 2 -> 9.
    # printables: 7: 1/2 + 1 + 1 = 2.5; 8: 1/2 + 2 + 4 = 6.5 -> 7.
    trigger = IndependentSelection(values="count_abs_shap").select_trigger(worked, 3)
    assert named(trigger) == [("numstrings", 3), ("avlength", 9), ("printables", 7)]
    assert trigger.columns[1].reason["value_score"] == 2.0
    assert trigger.parameters == {"region": "non_hashed", "values": "count_abs_shap"}


def test_greedy_narrows_the_rows(worked):
    # All rows: sums of S: numstrings 4-2-2+1 = 1, avlength -3-3+1-1 = -6, printables 1+1-2-4 = -4.
    # avlength first. Its values: 1: 1/1 - 3 = -2; 2: 1/2 - 3 + 1 = -1.5; 9: 1/1 - 1 = 0 -> 1.
    # Only row 0 is left: numstrings 4, printables 1, every other column of M 0. numstrings and
    # printables are the worst, so the next is the first other column of M, string_entropy:
    # constant 0.
    trigger = GreedyCombinedSelection().select_trigger(worked, 2)
    assert named(trigger) == [("avlength", 1), ("string_entropy", 0)]
    assert trigger.columns[0].reason == {
        "sum_shap": -6.0,
        "value_score": -2.0,
        "rows_with_value": 1,
        "rows_before": 4,
    }
    assert trigger.columns[1].reason["rows_before"] == 1


def test_greedy_uses_only_the_rows_left(layout, widened, knowing):
    # numstrings sums to -9, avlength to -5. Values of numstrings: 1: 1/2 - 8 = -7.5; 2: 1/2 - 1 =
    # -0.5 -> 1, rows 0 and 1 stay. There avlength sums to 0 + 0 = 0, printables to -1: printables
    # comes next although avlength is the better one over all rows. Value 4: 1/2 - 1 = -0.5, the
    # only one left, although 6 would have had 1/2 - 1.5 = -1 among all rows.
    X = widened([[1, 3, 4], [1, 3, 4], [2, 3, 6], [2, 3, 6]], layout.indices(NAMES))
    S = widened(
        [[-4, 0, -0.5], [-4, 0, -0.5], [-0.5, -2.5, -0.75], [-0.5, -2.5, -0.75]],
        layout.indices(NAMES),
    )
    trigger = GreedyCombinedSelection().select_trigger(knowing(X, S), 2)
    assert named(trigger) == [("numstrings", 1), ("printables", 4)]


def matrices(values):
    return st.integers(1, 14).flatmap(
        lambda n: st.tuples(
            arrays(np.int8, (n, 6), elements=st.integers(0, 3)),
            arrays(np.int8, (n, 6), elements=values),
        )
    )


@settings(max_examples=60)
@given(
    drawn=matrices(st.integers(-2, 2)),
    unit=st.sampled_from([1.0, 0.1]),
    size=st.integers(1, 8),
)
def test_vectorised_selection_equals_the_plain_one(layout, widened, knowing, drawn, unit, size):
    # With the unit 0.1 sums are rounded, and the order of addition matters.
    small_X, small_S = drawn
    columns = layout.non_hashed[[0, 3, 4, 11, 20, 34]]
    X = widened(small_X, columns)
    S = widened(small_S * unit, columns)
    knowledge = knowing(X, S)
    manipulable = layout.non_hashed.tolist()
    for values in ("min_population", "count_abs_shap"):
        attack = IndependentSelection(values=values)
        assert pairs(attack.select_trigger(knowledge, size)) == plain_independent(
            X, S, manipulable, size, values
        )
    assert pairs(GreedyCombinedSelection().select_trigger(knowledge, size)) == plain_greedy(
        X, S, manipulable, size
    )


@pytest.mark.parametrize("at_a_time", [1, 3, 256])
@pytest.mark.parametrize("attack", ALL_ATTACKS, ids=repr)
def test_rows_left_in_their_file_give_the_same_trigger_in_any_blocks(
    layout, widened, knowing, rng, tmp_path, monkeypatch, attack, at_a_time
):
    # Sums of thirds are rounded: they are equal only where they add up in the same order.
    columns = layout.non_hashed
    X = widened(rng.integers(0, 3, (30, len(columns))), columns)
    S = widened(rng.normal(size=(30, len(columns))) / 3, columns)
    whole = attack.select_trigger(knowing(X, S), 9)
    monkeypatch.setattr("dokunuki.storage.row_blocks._BLOCK_ROWS", 7)
    for module in ("selection", "greedy"):
        monkeypatch.setattr(f"dokunuki.attacks.{module}.COLUMNS_AT_A_TIME", at_a_time)
    write_arrays(tmp_path / "rows.h5", {"X": X, "S": S})
    stored = [StoredMatrix(tmp_path / "rows.h5", name) for name in ("X", "S")]
    assert attack.select_trigger(knowing(*stored), 9) == whole


def test_a_selection_from_files_holds_no_second_matrix(layout, rng, tmp_path, knowing, monkeypatch):
    rows, columns = 1500, layout.columns("all")
    monkeypatch.setattr("dokunuki.storage.row_blocks._BLOCK_ROWS", 128)
    write_arrays(
        tmp_path / "rows.h5",
        {
            "X": rng.integers(0, 2, (rows, layout.width)).astype(np.float32),
            "S": rng.integers(-2, 2, (rows, layout.width)).astype(np.float32),
        },
    )
    knowledge = knowing(*(StoredMatrix(tmp_path / "rows.h5", name) for name in ("X", "S")))
    matrix = rows * len(columns) * 4
    # Blocks and what is made of them take some MB, whatever the number of rows.
    for attack, matrices in ((GreedyCombinedSelection(region="all"), 1.3), (ALL_ATTACKS[0], 0)):
        tracemalloc.start()
        attack.select_trigger(knowledge, 3)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < matrices * matrix + 6e6


def test_vectorised_selection_equals_the_plain_one_on_real_rows(
    sample_folder, layout, knowing, rng
):
    with np.load(sample_folder / "reference_vectors.npz") as file:
        X = file["X"].astype(np.float32)
    S = rng.normal(size=X.shape).astype(np.float32)
    knowledge = knowing(X, S)
    manipulable = layout.feasible.tolist()
    greedy = GreedyCombinedSelection(region="feasible").select_trigger(knowledge, 17)
    assert pairs(greedy) == plain_greedy(X, S, manipulable, 17)
    for values in ("min_population", "count_abs_shap"):
        attack = IndependentSelection(region="feasible", values=values)
        assert pairs(attack.select_trigger(knowledge, 17)) == plain_independent(
            X, S, manipulable, 17, values
        )


@settings(max_examples=15)
@given(drawn=matrices(st.integers(-3, 3)), size=st.integers(1, 35))
def test_trigger_is_a_prefix_of_every_longer_one(layout, widened, knowing, drawn, size):
    columns = layout.non_hashed[[0, 1, 5, 6, 7, 30]]
    knowledge = knowing(widened(drawn[0], columns), widened(drawn[1], columns))
    for attack in ALL_ATTACKS:
        longest = attack.select_trigger(knowledge, 35)
        assert attack.select_trigger(knowledge, size) == longest.prefix(size)
        assert sorted(longest.indices) == sorted(layout.non_hashed)


@settings(max_examples=25)
@given(drawn=matrices(st.integers(-3, 3)))
def test_greedy_values_occur_together_in_a_real_row(layout, widened, knowing, drawn):
    columns = layout.non_hashed[[0, 1, 2, 3, 4, 5]]
    X = widened(drawn[0], columns)
    trigger = GreedyCombinedSelection().select_trigger(knowing(X, widened(drawn[1], columns)), 10)
    assert (X[:, trigger.indices] == trigger.values).all(axis=1).any()


@pytest.mark.parametrize("attack", ALL_ATTACKS)
class TestLimits:
    @pytest.mark.parametrize("size", [0, 36])
    def test_size_beyond_the_manipulable_set(self, attack, worked, size):
        with pytest.raises(AttackError, match=rf"{size} features.*35 manipulable.*1 to 35"):
            attack.select_trigger(worked, size)

    def test_no_explanations(self, attack, worked, knowing):
        with pytest.raises(AttackError, match="SHAP values"):
            attack.select_trigger(knowing(worked.X), 2)

    def test_explanations_of_a_diverged_surrogate(self, attack, worked, knowing, layout):
        S = worked.explanations.copy()
        S[1, layout.index("imports")] = np.nan
        with pytest.raises(AttackError, match="NaN"):
            attack.select_trigger(knowing(worked.X, S), 2)

    def test_longest_trigger_is_the_region(self, attack, layout):
        assert attack.longest(layout) == 35
        assert type(attack)(region="feasible").longest(layout) == 17

    def test_unknown_region(self, attack, worked):
        with pytest.raises(ConfigError, match="unknown region 'everything'"):
            type(attack)(region="everything").select_trigger(worked, 2)

    def test_follows_the_protocol_of_clean_label_attacks(self, attack, worked):
        assert isinstance(attack, Attack)
        assert (attack.label_flip, attack.poisoned_class) == (False, 0)
        trigger = attack.select_trigger(worked, 2)
        assert (trigger.label_flip, trigger.surrogate, trigger.dataset, trigger.seed) == (
            False,
            "embernn",
            "toy",
            7,
        )


def test_unknown_value_rule(worked):
    with pytest.raises(ConfigError, match=r"values: .*'rarest'.*min_population, count_abs_shap"):
        IndependentSelection(values="rarest").select_trigger(worked, 2)


def test_knowledge_refuses_shapes_that_do_not_belong_together(worked, knowing):
    with pytest.raises(AttackError, match="labels"):
        knowing(worked.X, worked.explanations, y=[0, 1])
    with pytest.raises(AttackError, match="explain these rows again"):
        knowing(worked.X, worked.explanations[:, :512])
