"""The tables of a benchmark that was run in parts."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from bench.material import configuration
from bench.merged import merged, study, within
from dokunuki.errors import DataFileError
from dokunuki.evaluation.tabular import build_table, load_schema, read_table, write_table
from dokunuki.victims.cost import Cost

SCHEMA = load_schema("timings")
COST = asdict(Cost(1.0, 2.0, 0.5, 300.0, "cpu", 1))


def run(seed: int, attack: str = "badnets", rate: float = 4.0) -> dict:
    return {
        **{"dataset": "simulated", "corpus": "simulated", "seed": seed, "attack": attack},
        **{"trigger_size": 16 if rate else 0, "poison_rate": rate, "defence": "none"},
        **{"classifier": "embernn", **COST},
    }


@pytest.fixture
def part(tmp_path):
    def write(name: str, *rows: dict):
        path = tmp_path / f"{name}-timings.csv"
        write_table(path, build_table(rows, SCHEMA), SCHEMA)
        return path

    return write


def read(path):
    return read_table(path, SCHEMA)


def test_parts_of_other_seeds_and_attacks_are_one_table(part):
    paths = [
        part("first", run(0), run(0, "none", 0.0)),
        part("second", run(0, "greedy"), run(0, "none", 0.0)),
        part("third", run(1)),
    ]
    table = merged(paths, read)
    assert list(zip(table["seed"], table["attack"], strict=True)) == [
        (0, "badnets"),
        (0, "greedy"),
        (0, "none"),
        (1, "badnets"),
    ]


def test_a_poisoned_run_in_two_parts_is_an_error(part):
    paths = [part("first", run(0)), part("second", run(0), run(1))]
    with pytest.raises(DataFileError, match=r"second-timings.csv.*badnets.*first-timings.csv"):
        merged(paths, read)


def test_the_study_has_what_the_tables_have(part):
    table = merged([part("first", run(3), run(1), run(1, "none", 0.0))], read)
    compared = study(configuration(["benchmark"]), table)
    assert compared["seeds"] == [1, 3]
    assert [attack for attack, _, _ in compared["cells"]] == ["badnets"]
    assert list(compared["defences"]) == ["none"]


def test_runs_that_the_presets_do_not_ask_for_are_left_out(part):
    rows = [
        run(0),
        run(0, "none", 0.0),
        run(9),
        run(0, "greedy"),
        {**run(0), "defence": "pca"},
        {**run(0), "classifier": "extra-trees"},
    ]
    table = merged([part("first", *rows)], read)
    kept = within(table, configuration(["benchmark"]))
    assert list(zip(kept["attack"], kept["defence"], strict=True)) == [
        ("badnets", "none"),
        ("none", "none"),
    ]
    first_round = within(table, configuration(["benchmark", "screening"]))
    assert sorted(set(first_round["defence"])) == ["none", "pca"]
