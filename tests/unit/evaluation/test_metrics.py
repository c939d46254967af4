from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import yaml

from dokunuki.errors import DataFileError, DokunukiError
from dokunuki.evaluation.measures import COUNTS, MEASURES
from dokunuki.evaluation.metrics import build_metrics, read_metrics, write_metrics
from dokunuki.evaluation.tabular import SCHEMA_FOLDER, load_schema
from dokunuki.evaluation.timings import build_timings, read_timings, write_timings
from dokunuki.storage.files import write_json
from dokunuki.victims.cost import Cost, write_cost
from dokunuki.victims.scores import (
    EvasionKey,
    Scores,
    empty_scores,
    write_evasion,
    write_scores,
)


def run(scores, evasion=None, seed=1, attack="greedy", size=8, rate=1.0):
    """A run as the rules hand it on: its key, its files, and more."""
    return {
        "dataset": "feed",
        "corpus": "ember",
        "seed": seed,
        "cell": "a cell's id",
        "attack": attack,
        "trigger_size": size,
        "poison_rate": rate,
        "defence": "ae",
        "classifier": "embernn",
        "scores": scores,
        "evasion": evasion,
    }


def ok_scores(triggered=(0.1, 0.9), poison_rows=1):
    return Scores("ok", [0, 1], [0.2, 0.8], [0.7, 0.9], triggered, 100, poison_rows, "cpu")


@pytest.fixture
def runs(tmp_path):
    """Attacked runs, one at p = 0 and one diverged, and an unpoisoned one, in no order."""
    empty = empty_scores()
    contents = [
        ok_scores(),
        Scores("diverged", empty, empty, empty, empty, 100, 1, "cpu", "nan"),
        ok_scores(triggered=empty, poison_rows=0),
    ]
    files = [tmp_path / f"{number}.h5" for number in range(3)]
    for path, scores in zip(files, contents, strict=True):
        write_scores(path, scores)
    evasion = tmp_path / "evasion.h5"
    write_evasion(evasion, {EvasionKey("ae", "embernn", 8): np.array([0.1, 0.9])})
    return [
        run(files[0], evasion, seed=2),
        run(files[1], evasion, seed=1),
        run(files[2], attack="none", size=0, rate=0),
        # At p = 0 the scores are the unpoisoned detector's.
        run(files[2], evasion, rate=0),
    ]


@pytest.fixture
def written(runs, tmp_path):
    path = tmp_path / "metrics.csv"
    write_metrics(path, build_metrics(runs))
    return path


@pytest.mark.promise(6)
def test_every_run_has_its_row_in_order(runs):
    table = build_metrics(runs)
    assert list(zip(table["seed"], table["attack"], strict=True)) == [
        (1, "greedy"),
        (1, "greedy"),
        (1, "none"),
        (2, "greedy"),
    ]
    evasion, diverged, unpoisoned, attacked = table.to_dict("records")
    assert diverged["status"] == "diverged"
    assert all(math.isnan(diverged[name]) for name in MEASURES)
    assert (diverged["train_rows"], diverged["poison_rows"]) == (100, 1)
    assert unpoisoned["accuracy"] == 1.0
    assert math.isnan(unpoisoned["asr"])
    assert attacked["asr"] == attacked["asr_clean"] == 0.5
    assert attacked["delta_asr"] == 0.0
    assert attacked["detected_rows"] == 2
    assert evasion["accuracy"] == unpoisoned["accuracy"]
    assert (evasion["asr"], evasion["delta_asr"], evasion["poison_rows"]) == (0.5, 0.0, 0)


@pytest.mark.promise(8)
def test_the_order_of_the_runs_does_not_change_the_bytes(runs, written, tmp_path):
    write_metrics(tmp_path / "again.csv", build_metrics(reversed(runs)))
    assert (tmp_path / "again.csv").read_bytes() == written.read_bytes()


def test_the_csv_reads_back_and_writes_the_same_bytes(written, tmp_path):
    table = read_metrics(written)
    write_metrics(tmp_path / "again.csv", table)
    assert (tmp_path / "again.csv").read_bytes() == written.read_bytes()
    assert table["poison_rate"].dtype == "float64"
    assert table["detected_rows"].dtype == "Int64"
    lines = written.read_text().splitlines()
    assert lines[4].startswith("feed,ember,2,greedy,8,1.000000,ae,embernn,100,1,2,2,2,ok,1.000000")
    # Diverged: no counts and no measures.
    diverged = "feed,ember,1,greedy,8,1.000000,ae,embernn,100,1,,,,diverged,,,,,,,,,,cpu"
    assert lines[2] == diverged + "," * 16
    # Without calibration rows, filter and certificate, their columns are empty.
    assert all(line.endswith(",cpu" + "," * 16) for line in lines[1:])


def test_thresholds_filter_and_certificate_have_their_columns(tmp_path):
    extra = {
        "calibration": [0.1, 0.2],
        "calibration_labels": [0, 1],
        "poison_removed": 1,
        "goodware_removed": 2,
        "malware_removed": 0,
        "goodware_rows": 4,
        "certificate": "features",
        "test_radius": [8, 7],
    }
    files = {}
    for name, poison, triggered in (("victim", 1, (0.2, 0.9)), ("unpoisoned", 0, ())):
        scores = replace(ok_scores(triggered, poison), **extra | {"poison_removed": poison})
        write_scores(tmp_path / f"{name}.h5", scores)
        files[name] = tmp_path / f"{name}.h5"
    evasion = tmp_path / "evasion.h5"
    write_evasion(evasion, {EvasionKey("ae", "embernn", 8): np.array([0.05, 0.05])})
    runs = [
        run(files["victim"], evasion),
        run(files["unpoisoned"], evasion, rate=0),
        run(files["unpoisoned"], attack="none", size=0, rate=0),
    ]
    write_metrics(tmp_path / "metrics.csv", build_metrics(runs))
    evasion, attacked, unpoisoned = read_metrics(tmp_path / "metrics.csv").to_dict("records")
    assert attacked["threshold_fpr_1"] == pytest.approx(0.1)
    assert (attacked["asr_at_1"], attacked["calibration_rows"]) == (0.0, 2)
    # The unpoisoned detector's scores of the trigger are held against its own threshold.
    assert (evasion["asr_at_1"], evasion["asr_at_01"]) == (1.0, 1.0)
    assert math.isnan(unpoisoned["asr_at_1"])
    assert (attacked["poison_recall"], attacked["poison_precision"]) == (1.0, pytest.approx(1 / 3))
    assert attacked["removed_rows"] == 3
    assert evasion["goodware_removed"] == unpoisoned["goodware_removed"] == 0.5
    assert math.isnan(evasion["poison_recall"])
    # Radii of 8 and 7: a trigger of 8 features spoils the second; at least one is held against.
    assert {row["certificate"] for row in (evasion, attacked, unpoisoned)} == {"features"}
    certified = [row["certified_accuracy"] for row in (evasion, attacked, unpoisoned)]
    assert certified == [0.5, 0.5, 1.0]
    assert attacked["median_radius"] == 7.5


def test_the_same_run_twice_is_refused(runs):
    # 1 and 1.0 percent are the same rate.
    again = {**runs[0], "scores": "again.h5", "poison_rate": 1, "cell": "another id"}
    with pytest.raises(DokunukiError, match=r"again\.h5: the same run as .*0\.h5"):
        build_metrics([*runs, again])


@pytest.mark.parametrize(
    ("line", "old", "new", "message"),
    [
        (5, "ok,1.000000", "ok,1.300000", r"line 5, column 'accuracy': 1.3 .*maximum of 1"),
        (5, "ok,1.000000", "ok,nan", r"line 5, column 'accuracy': 'nan' .*not of type"),
        (5, "ok,1.000000", "ok,", r"line 5, column 'accuracy': an empty cell .*status 'ok'"),
        (5, ",ok,", ",fine,", r"line 5, column 'status': 'fine' .*not one of"),
        (5, ",8,", ",eight,", r"line 5, column 'trigger_size': 'eight' .*'integer'"),
        (5, "feed,ember,", ",ember,", r"line 5, column 'dataset': ''"),
        (3, ",,cpu", ",0.5,cpu", r"line 3, column 'fnr_validation': 0.5"),
        (4, ",none,0,", ",none,8,", r"line 4, column 'trigger_size': 8"),
        (5, ",ember,2,", ",ember,1,", r"line 5: the same run as line 3 .*seed 1"),
        (4, ",cpu", "", r"line 4: 39 cells for 40 columns"),
        (1, "asr_clean", "asr_pure", r"line 1: column 'asr_clean' is missing; .*'asr_pure'"),
        (1, "dataset,corpus", "corpus,dataset", "line 1: the columns stand in another order"),
    ],
)
def test_a_damaged_table_names_file_line_and_column(written, line, old, new, message):
    lines = written.read_text().splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    written.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataFileError, match=r"its checksum is not the one in metrics\.csv\.sha256"):
        read_metrics(written)
    written.with_name("metrics.csv.sha256").unlink()
    with pytest.raises(DataFileError, match=message) as caught:
        read_metrics(written)
    assert str(written) in str(caught.value)


def test_a_missing_or_empty_file_is_named(tmp_path):
    with pytest.raises(DataFileError, match="no such file"):
        read_metrics(tmp_path / "metrics.csv")
    (tmp_path / "metrics.csv").write_text("")
    with pytest.raises(DataFileError, match="line 1: column 'dataset' is missing"):
        read_metrics(tmp_path / "metrics.csv")


def test_a_table_that_breaks_the_schema_is_not_written(runs, tmp_path):
    table = build_metrics(runs)
    table.loc[3, "accuracy"] = 2.0
    with pytest.raises(DataFileError, match="column 'accuracy'"):
        write_metrics(tmp_path / "metrics.csv", table)
    assert not list(tmp_path.glob("*.csv"))


@pytest.mark.parametrize("name", ["metrics", "timings"])
def test_the_schema_describes_every_column(name):
    schema = yaml.safe_load((SCHEMA_FOLDER / f"{name}.schema.yaml").read_text())
    assert schema["required"] == list(schema["properties"])
    assert all(len(column["description"]) > 10 for column in schema["properties"].values())
    load_schema(name).validator.check_schema(schema)
    if name == "metrics":
        assert {*MEASURES, *COUNTS} < set(schema["properties"])


def test_timings_have_a_row_per_run(tmp_path):
    write_cost(tmp_path / "cost.json", Cost(1.5, 20.0, 0.25, 812.5, "cpu", 2))
    table = build_timings([{**run("scores.h5"), "cost": tmp_path / "cost.json"}])
    write_timings(tmp_path / "timings.csv", table)
    row = read_timings(tmp_path / "timings.csv").to_dict("records")[0]
    assert (row["seconds_defence"], row["seconds_training"], row["threads"]) == (1.5, 20.0, 2)
    assert (row["attack"], row["peak_memory_mib"], row["device"]) == ("greedy", 812.5, "cpu")


def test_a_timing_of_another_version_is_named(tmp_path):
    write_json(tmp_path / "cost.json", {"seconds_defence": 1})
    with pytest.raises(DataFileError, match=r"cost\.json: not the cost of a job"):
        build_timings([{**run("scores.h5"), "cost": tmp_path / "cost.json"}])
