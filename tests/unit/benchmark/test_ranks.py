from __future__ import annotations

import math

import numpy as np
import pytest

from dokunuki.benchmark.ranks import order_keys, places, rank_intervals
from dokunuki.seeding import generator


def intervals(asr, accuracy=None, attacks=None, draws=2000, stream=0):
    """The ends for ASRs (d, c, s), of cells of one attack each unless told otherwise."""
    asr = np.asarray(asr, dtype=np.float64)
    accuracy = np.full(asr.shape[::2], 0.9) if accuracy is None else np.asarray(accuracy)
    attacks = np.arange(asr.shape[1]) if attacks is None else np.asarray(attacks)
    ends = rank_intervals(asr, accuracy, attacks, generator(stream, "test"), draws)
    return [tuple(pair) for pair in np.stack(ends, axis=1)]


def test_the_order_is_by_worst_case_then_accuracy_as_printed():
    worst = np.array([0.2, 0.1, 0.2004, 0.2])
    keys = order_keys(worst, np.array([0.9, 0.5, 0.9004, 0.95]))
    assert list(places(keys)) == [3, 1, 3, 2]
    # Accuracy never outweighs a step of the worst case.
    first, second = order_keys(np.array([0.1, 0.101]), np.array([0.0, 1.0]))
    assert first < second


def test_defences_that_are_apart_in_every_seed_and_attack_have_one_rank():
    random = np.random.default_rng(0)
    asr = np.array([0.9, 0.1, 0.5])[:, None, None] + random.uniform(-0.1, 0.1, (3, 4, 5))
    assert intervals(asr) == [(3, 3), (1, 1), (2, 2)]


def test_seeds_that_disagree_widen_the_interval():
    # Who is better hangs on the seed.
    asr = [[[0.1, 0.9, 0.1, 0.9, 0.5]], [[0.5, 0.5, 0.5, 0.5, 0.51]]]
    assert intervals(asr) == [(1, 2), (1, 2)]


def test_attacks_that_disagree_widen_it_and_cells_of_one_attack_do_not():
    # Worst on one of two cells, equal in every seed.
    asr = np.repeat([[[0.1], [0.8]], [[0.4], [0.4]]], 3, axis=2)
    assert intervals(asr) == [(1, 2), (1, 2)]
    assert intervals(asr, attacks=[0, 0]) == [(2, 2), (1, 1)]


def test_its_ends_are_those_of_all_resamples():
    random = np.random.default_rng(1)
    asr, accuracy = random.uniform(0.3, 0.6, (3, 2, 2)), random.uniform(0.8, 0.9, (3, 2))
    ranks = []
    for seeds in np.ndindex(2, 2):
        for attacks in np.ndindex(2, 2):
            worst = asr[:, list(attacks)][..., list(seeds)].mean(axis=-1).max(axis=-1)
            ranks.append(places(order_keys(worst, accuracy[:, list(seeds)].mean(axis=-1))))
    expected = [(min(column), max(column)) for column in zip(*ranks, strict=True)]
    # Every one of the 16 resamples has 1/16 of the draws, more than a tail.
    assert intervals(asr, accuracy) == expected


def test_equal_worst_cases_are_told_apart_by_accuracy():
    asr = np.full((2, 1, 3), 0.3)
    assert intervals(asr, [[0.9, 0.91, 0.92], [0.8, 0.81, 0.82]]) == [(1, 1), (2, 2)]
    assert intervals(asr, np.full((2, 3), 0.8)) == [(1, 1), (1, 1)]


def test_a_failed_seed_is_left_out_of_its_cell_alone():
    asr = np.repeat([[[0.2], [0.2]], [[0.6], [0.6]]], 3, axis=2)
    asr[0, 0, 1:] = math.nan
    # Where a draw has neither of its seeds, the cell keeps the mean of the others.
    assert intervals(asr) == [(1, 1), (2, 2)]


@pytest.mark.parametrize("lost", [0, 1])
def test_one_seed_has_no_interval(lost):
    asr, accuracy = np.full((2, 1, 1 + lost), 0.3), np.full((2, 1 + lost), 0.9)
    asr[..., 1:], accuracy[..., 1:] = math.nan, math.nan
    assert np.isnan(intervals(asr, accuracy)).all()


def test_the_same_seed_gives_the_same_interval():
    random = np.random.default_rng(3)
    asr = random.uniform(0.3, 0.6, (6, 4, 5))
    found = [intervals(asr, draws=60, stream=stream) for stream in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
