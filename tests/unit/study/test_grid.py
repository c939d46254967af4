import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dokunuki.study.grid import Cell, attack_cells, cell_of_id, defended_classifiers, grid_cells
from dokunuki.study.rates import poison_count, rate_code

GRID = {
    "attacks": ["independent", "fgsm-flip"],
    "trigger_sizes": [1, 8, 32],
    "poison_rates": [0, 0.5, 1],
    "fixed_trigger_size": 8,
    "fixed_poison_rate": 1,
}


@pytest.mark.promise(3)
def test_ids_read_well():
    assert Cell("independent", 8, 1).id == "independent-n008-p0100"
    assert Cell("fgsm-flip", 32, 0.5).id == "fgsm-flip-n032-p0050"


@pytest.mark.promise(3)
@given(st.sampled_from(["greedy", "fgsm-flip-all-3"]), st.integers(1, 999), st.integers(0, 9999))
def test_an_id_stands_for_one_cell_and_has_no_decimal_point(attack, size, code):
    cell = Cell(attack, size, code / 100)
    assert cell_of_id(cell.id) == cell
    assert re.fullmatch(r"[a-z0-9-]+", cell.id)


def test_the_point_where_both_sweeps_meet_is_one_cell():
    ids = [cell.id for cell in attack_cells(GRID, "independent")]
    assert ids == [
        "independent-n001-p0100",
        "independent-n008-p0100",
        "independent-n032-p0100",
        "independent-n008-p0000",
        "independent-n008-p0050",
    ]
    assert len(grid_cells(GRID)) == 10


def test_a_restricted_classifier_runs_with_its_defences_alone():
    grid = {"defences": ["none", "ae"], "classifiers": ["forest", "lightgbm"], "restricted": {}}
    assert defended_classifiers(grid) == [
        ("none", "forest"),
        ("none", "lightgbm"),
        ("ae", "forest"),
        ("ae", "lightgbm"),
    ]
    grid["restricted"] = {"lightgbm": ["pca", "none"]}
    assert defended_classifiers(grid) == [
        ("none", "forest"),
        ("none", "lightgbm"),
        ("ae", "forest"),
    ]


def test_poison_counts_by_hand():
    # 1 % of 8,000 is 80; 0.35 % of 1,000 is 3.5, and halves go up; 0.01 % of 4,000 is 0.4.
    assert [poison_count(1, 8000), poison_count(0.35, 1000), poison_count(0.01, 4000)] == [80, 4, 0]


@given(st.integers(0, 5000), st.integers(0, 10**6))
def test_poison_count_is_the_nearest_number_of_rows(code, rows):
    assert abs(poison_count(code / 100, rows) - code * rows / 10_000) <= 0.5


@pytest.mark.parametrize("rate", [0.005, 1.234])
def test_rates_between_steps_are_refused(rate):
    with pytest.raises(ValueError, match=r"multiple of 0\.01"):
        rate_code(rate)
