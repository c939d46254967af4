"""Rows that are chosen once for all classifiers: victims are as if each had chosen for itself."""

from __future__ import annotations

import numpy as np
import pytest

from dokunuki.defences.row_choice import RowChoice
from dokunuki.detector import Detector
from dokunuki.errors import ConfigError, DataFileError
from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.storage.arrays import write_arrays
from dokunuki.victims.autoencoders import train_autoencoder
from dokunuki.victims.cost import read_cost, write_cost
from dokunuki.victims.row_choices import choose_rows, read_row_choice
from dokunuki.victims.scores import write_scores
from dokunuki.victims.training import train_unpoisoned, train_victim
from toy_victims import AUTOENCODER, COMPUTE, SPEC, poison_of

MODULE = "dokunuki.defences"
FILTER = {"class": f"{MODULE}.cross_examination.CrossExaminationFilter", "params": {"trees": 5}}
RELABELLING = {"class": f"{MODULE}.cross_examination.CrossExamination", "params": {"trees": 5}}
RECONSTRUCTION = {"class": f"{MODULE}.autoencoder.AutoencoderReconstruction", "params": {}}
TREES = {
    "name": "trees",
    "class": "sklearn.ensemble.RandomForestClassifier",
    "params": {"n_estimators": 5},
}
VICTIM = {"seed": 3, "compute": COMPUTE}


def choice_spec(*steps, several_steps=False):
    return {"name": "toy", "steps": list(steps), "several_steps": several_steps}


def chosen(vectors, poison, spec, folder):
    """The files of a choice, as a victim names them."""
    choice, cost = folder / "choice.h5", folder / "cost.json"
    write_cost(cost, choose_rows(vectors, poison, spec, **VICTIM, path=choice))
    return [str(choice), str(cost)]


def bytes_of(scores, path):
    write_scores(path, scores)
    return path.read_bytes()


@pytest.mark.parametrize("classifier", [SPEC["none"]["classifier"], TREES])
@pytest.mark.parametrize(
    ("steps", "choosing", "filters"),
    [
        ([FILTER], 1, True),
        ([RELABELLING], 1, False),
        ([FILTER, RELABELLING, RECONSTRUCTION], 2, True),
    ],
)
def test_a_victim_whose_rows_were_chosen_before_is_the_same(
    vectors, trigger, tmp_path, steps, choosing, filters, classifier
):
    poison = poison_of(vectors, trigger, 20)
    defence = {"name": "toy", "steps": steps, "told": {}}
    spec = {"defence": defence, "classifier": classifier, "autoencoder": None}
    autoencoder = None
    if RECONSTRUCTION in steps:
        spec["autoencoder"] = AUTOENCODER
        autoencoder = [str(tmp_path / "ae.safetensors"), str(tmp_path / "ae.json")]
        cost = train_autoencoder(vectors, poison, AUTOENCODER, **VICTIM, path=autoencoder[0])
        write_cost(autoencoder[1], cost)
    first = choice_spec(*steps[:choosing], several_steps=len(steps) > 1)
    files = chosen(vectors, poison, first, tmp_path)
    unpoisoned, _ = train_unpoisoned(
        vectors, spec, autoencoder, **VICTIM, folder=tmp_path / "detector"
    )
    victims = {
        name: train_victim(
            vectors, poison, trigger, spec, autoencoder, **VICTIM, unpoisoned=unpoisoned, **given
        )
        for name, given in {"itself": {}, "before": {"row_choice": files}}.items()
    }
    itself, before = (bytes_of(victims[name][0], tmp_path / name) for name in victims)
    assert itself == before
    assert (victims["before"][0].poison_removed is not None) == filters
    assert victims["before"][1].seconds_defence >= read_cost(files[1]).seconds_defence > 0
    # The poison was found, so that both chose.
    labels = np.array(vectors.labels("train"))
    poison.apply(vectors.part("train")[0], labels)
    choice = read_row_choice(files[0])
    assert len(choice.labels) < 60 or np.any(choice.labels != labels)


@pytest.mark.promise(8)
def test_the_same_seed_chooses_the_same_bytes(vectors, trigger, tmp_path):
    poison = poison_of(vectors, trigger, 20)
    made = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        path = chosen(vectors, poison, choice_spec(FILTER), tmp_path / name)[0]
        made.append((tmp_path / name / "choice.h5").read_bytes())
    assert made[0] == made[1]
    assert read_row_choice(path).steps == 1


CHANGING = """
from sklearn.base import BaseEstimator

class Shifted(BaseEstimator):
    def fit_resample(self, X, y):
        return X + 1, y

class Unsaid(BaseEstimator):
    def fit_resample(self, X, y):
        return X[5:], y[5:]
"""


@pytest.mark.parametrize(
    "path",
    [
        "toy_changing.Shifted",
        "toy_changing.Unsaid",
        f"{MODULE}.deletion.Deletion",
        f"{MODULE}.spectral_signatures.SpectralSignatures",  # asks for the classifier
    ],
)
def test_a_step_that_does_more_than_choose_is_refused(vectors, tmp_path, monkeypatch, path):
    (tmp_path / "toy_changing.py").write_text(CHANGING)
    monkeypatch.syspath_prepend(tmp_path)
    spec = choice_spec({"class": path, "params": {}})
    with pytest.raises(ConfigError, match=rf"defences\.toy: chooses_rows .*{path}"):
        choose_rows(vectors, None, spec, **VICTIM, path=tmp_path / "choice.h5")
    assert not (tmp_path / "choice.h5").exists()


@pytest.mark.promise(6)
def test_a_choice_that_diverged_makes_the_victim_a_diverged_one(
    vectors, trigger, tmp_path, monkeypatch, unpoisoned
):
    def diverging(*_, **__):
        raise TrainingDivergedError(2, np.inf)

    with monkeypatch.context() as patched:
        patched.setattr(Detector, "fit_defences", diverging)
        files = chosen(vectors, None, choice_spec(FILTER), tmp_path)
    with pytest.raises(TrainingDivergedError):
        read_row_choice(files[0])
    spec = {**SPEC["none"], "defence": {"name": "toy", "steps": [FILTER], "told": {}}}
    scores, _ = train_victim(
        vectors,
        poison_of(vectors, trigger),
        trigger,
        spec,
        None,
        **VICTIM,
        unpoisoned=unpoisoned[1],
        row_choice=files,
    )
    assert scores.status == "diverged"


def test_another_file_is_no_choice(tmp_path):
    path = tmp_path / "choice.h5"
    write_arrays(path, {"indices": np.arange(3), "labels": np.zeros(3, dtype=np.int8)})
    with pytest.raises(DataFileError, match=r"choice\.h5: .*no attribute 'steps'"):
        read_row_choice(path)


@pytest.mark.parametrize(
    ("steps", "indices"), [(2, [0, 1]), (0, [0, 60]), (0, [-1, 0]), (0, [0, 1, 2])]
)
def test_a_choice_of_other_rows_is_refused(vectors, steps, indices):
    choice = RowChoice(steps, np.array(indices), np.int8([0, 1]), filters=True)
    with pytest.raises(ValueError, match="not chosen from these 60 rows"):
        Detector([], None).fit_defences(*vectors.part("train"), chosen=choice)
