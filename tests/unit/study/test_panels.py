from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest

from dokunuki.study.grid import Cell, attack_cells
from dokunuki.study.panels import PANELS, Axis, Measure, answer_cell


def test_names_and_labels_say_what_is_drawn():
    sides = {"trigger_size": "n", "poison_rate": "p"}
    for name, panel in PANELS.items():
        assert name == f"{panel.measure.replace('_', '-')}-over-{sides[panel.axis]}"
        measure = panel.measure.replace("asr", "ASR").replace("_", " ")
        letter = f"{panel.letter}: " if panel.letter else ""
        side = sides[panel.axis].replace("n", "N")
        assert panel.label == f"{letter}{measure} over {side}"


def test_the_papers_panels_keep_its_letters():
    lettered = {panel.letter: panel for panel in PANELS.values() if panel.letter}
    assert list(lettered) == list("abcd")
    drawn = [(panel.measure, panel.axis) for panel in lettered.values()]
    axes = ("trigger_size", "poison_rate")
    assert drawn == [(measure, axis) for measure in ("asr", "accuracy") for axis in axes]


def test_every_measure_is_drawn_over_both_axes():
    drawn = {(panel.measure, panel.axis) for panel in PANELS.values()}
    assert len(drawn) == len(PANELS) == len(get_args(Measure)) * len(get_args(Axis))


@pytest.mark.parametrize(
    ("sizes", "rates", "size"),
    [([1, 8], [0, 2], 8), ([1, 32], [0, 4], 8), ([32, 1], [0, 2], 32)],
    ids=["N in its sweep", "p in its sweep", "neither"],
)
def test_the_answer_stands_at_a_cell_of_the_grid(sizes, rates, size):
    grid = {"trigger_sizes": sizes, "poison_rates": rates}
    grid |= {"fixed_trigger_size": 8, "fixed_poison_rate": 4}
    cell = answer_cell(grid)
    assert cell == {"trigger_size": size, "poison_rate": 4.0}
    assert Cell("a", size, 4.0) in attack_cells(grid, "a")


def test_they_are_read_without_drawing_anything():
    code = "import sys, dokunuki.study.panels; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
