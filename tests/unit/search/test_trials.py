"""One trial of a search, and how it runs as a job."""

from __future__ import annotations

import inspect
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dokunuki.errors import DataFileError
from dokunuki.search import running, trials
from dokunuki.search.running import run_trial
from dokunuki.search.trials import CleanRows, Trial, read_result, write_result
from dokunuki.storage.files import write_json
from toy_victims import AUTOENCODER, NETWORK, toy_vectors

REPOSITORY = Path(__file__).resolve().parents[3]


def _with(part, **params):
    return {**part, "params": {**part["params"], **params}}


@pytest.fixture(scope="module")
def trial():
    """On rows whose classes are told apart in the attackable columns alone."""
    vectors = toy_vectors()
    columns = vectors.layout.attackable
    rows = replace(vectors, X=np.zeros_like(vectors.X))
    rows.X[:, columns[:200]] = vectors.X[:, :200]
    rows.X[:, vectors.layout.undefended] = vectors.X[:, columns[:512]]
    return Trial(CleanRows.of(rows), seed=7, device="cpu", threads=1)


def test_a_classifier_is_measured_on_the_test_rows_without_a_defence_and_behind_deletion(trial):
    result = trial.classifier(_with(NETWORK, epochs=20))
    assert result["status"] == "ok"
    # Deletion deletes what tells the classes apart.
    assert result["none"] >= 0.9
    assert result["deletion"] <= 0.75
    assert result["epochs"] == 20
    assert result == trial.classifier(_with(NETWORK, epochs=20))


def test_an_autoencoder_is_measured_behind_both_defences_and_by_what_it_leaves_unexplained(trial):
    lossy, faithful = (
        trial.autoencoder(_with(AUTOENCODER, epochs=epochs, dropout=0.0), _with(NETWORK, epochs=20))
        for epochs in (1, 60)
    )
    assert {"ae", "ae_enc", "loss", "classifier"} <= faithful.keys()
    assert 0 < faithful["unexplained"] < lossy["unexplained"]
    assert 0.5 <= faithful["ae"] <= 1


def test_what_is_called_accuracy_is_the_share_of_test_rows_called_right():
    rows = CleanRows.of(toy_vectors())
    fitted = Trial(rows, seed=7, device="cpu", threads=1)
    detector = fitted._fit([], _with(NETWORK, epochs=5))
    X, y = rows.test
    called = (detector.malware_scores(X) >= 0.5).astype(int)
    assert fitted._accuracy(detector) == np.mean(called == y)


def test_settings_that_diverge_are_a_result(trial):
    result = trial.classifier(_with(NETWORK, learning_rate=1e30, optimiser="sgd"))
    assert result == {"spec": result["spec"], "seed": 7, "status": "diverged"}


def test_a_job_takes_its_settings_from_the_shortlist_and_its_classifier_from_the_table(tmp_path):
    listed = [_with(AUTOENCODER, epochs=epochs) for epochs in (1, 2)]
    write_json(tmp_path / "shortlist.json", {"shortlist": listed})
    table = tmp_path / "classifiers.csv"
    chosen = json.dumps(_with(NETWORK, epochs=3)["params"]).replace('"', '""')
    table.write_text(f'part,params,status\n{NETWORK["name"]},"{chosen}",ok\n')
    result = run_trial(
        toy_vectors(),
        "autoencoders",
        {"rank": 1, "classifiers": {NETWORK["name"]: NETWORK}},
        shortlist=tmp_path / "shortlist.json",
        classifiers=table,
        seed=1,
        device="cpu",
        threads=1,
    )
    assert result["spec"] == listed[1]
    assert result["classifier"]["params"]["epochs"] == 3
    write_result(tmp_path / "result.json", result)
    assert read_result(tmp_path / "result.json") == result


def test_a_file_that_is_no_result_is_named(tmp_path):
    write_result(tmp_path / "other.json", {"a": 1})
    with pytest.raises(DataFileError, match=r"other\.json: is not the result of a trial"):
        read_result(tmp_path / "other.json")


def test_a_search_cannot_be_given_attacked_rows():
    # The package stands below the attacks: it can import none of what makes or reads poison.
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    assert layers.index("dokunuki.attacks") < layers.index("dokunuki.search")
    assert layers.index("dokunuki.victims") < layers.index("dokunuki.search")
    # No argument takes a trigger or poison, and rows come from a vectors file alone.
    taken = {
        name
        for function in (run_trial, Trial.__init__, Trial.classifier, Trial.autoencoder)
        for name in inspect.signature(function).parameters
    }
    assert taken == {
        *("self", "rows", "spec", "classifier", "vectors", "kind", "shortlist", "classifiers"),
        *("seed", "device", "threads", "precision"),
    }
    for module in (running, trials):
        assert not {"Trigger", "Poison", "contaminated_rows"} & vars(module).keys()
    rules = (REPOSITORY / "workflow" / "rules" / "search.smk").read_text()
    assert "poison" not in rules.lower().replace("no poison", "")
    assert "trigger" not in rules
