"""What the benchmark of one cell at EMBER's size makes of its jobs."""

from __future__ import annotations

import argparse

import pandas as pd

from bench.full_size import Cell, lines


def test_a_line_for_each_rule_the_largest_first():
    measured = pd.DataFrame(
        [("vectorise_rows", 1, 120.0, 500.0), ("train_victim", 2, 30.0, 1500.0)],
        columns=["name", "jobs", "cpu_s", "peak_mib"],
    )
    first, second = lines(measured, matrix=1000.0)
    assert list(first.values()) == ["train_victim", 2, 0.5, 1500, 1.5]
    assert list(second.values()) == ["vectorise_rows", 1, 2.0, 500, 0.5]


def test_the_cell_is_a_study_with_so_many_training_rows(tmp_path):
    given = argparse.Namespace(rows=600_000, cores=2, epochs=3, share=5)
    cell = Cell(tmp_path, given)
    overlay = cell.overlay("embernn-paper")
    assert overlay["sample"]["rows"] * (1 - overlay["sample"]["test_share"]) == 600_000
    assert overlay["autoencoders"]["paper"]["params"]["epochs"] == 3
    assert overlay["autoencoders"]["paper"]["params"]["hidden"] == 1024
