"""Several seeds in one job give what each gives in a job of its own, whatever becomes of one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dokunuki.attacks.poisoning import write_poison
from dokunuki.attacks.trigger import write_trigger
from dokunuki.corpus.vectors import write_vectors
from dokunuki.errors import DokunukiError
from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.victims import training
from dokunuki.victims.autoencoders import train_autoencoder
from dokunuki.victims.batches.cell_parts import CellPartRun, make_cell_part_seeds
from dokunuki.victims.batches.unpoisoned import UnpoisonedRun, train_unpoisoned_seeds
from dokunuki.victims.batches.victims import VictimRun, train_victim_seeds
from dokunuki.victims.cost import read_cost
from dokunuki.victims.row_choices import choose_rows
from dokunuki.victims.scores import read_scores
from toy_victims import AUTOENCODER, COMPUTE, SPEC, one_step, poison_of

SEEDS = (0, 1, 2)
CELL = {"size": 20, "rate_percent": 5}
FILTER = one_step(
    "filter", "dokunuki.defences.cross_examination.CrossExaminationFilter", {"trees": 5}
)
SPECS = {**SPEC, "filter": {**SPEC["none"], "defence": FILTER}}


@pytest.fixture
def files(vectors, trigger, tmp_path):
    """The inputs of each seed's runs, which differ between the seeds, in a folder by seed."""
    for seed in SEEDS:
        folder = tmp_path / str(seed)
        folder.mkdir()
        own = replace(vectors, X=vectors.X[:] + np.float32(0.01 * seed))
        write_vectors(folder / "vectors.h5", own)
        write_trigger(folder / "trigger.json", trigger)
        write_poison(
            folder / "poison.h5",
            poison_of(own, trigger),
            vectors=folder / "vectors.h5",
            trigger=folder / "trigger.json",
        )
    return tmp_path


def cell_part_run(files, seed, kind, name):
    folder = files / str(seed)
    poison = str(folder / "poison.h5") if kind.endswith("poisoned") else ""
    made = [str(folder / f"{kind}-{file}") for file in (name, f"{name}.cost.json")]
    return CellPartRun(seed, str(folder / "vectors.h5"), poison, *made)


def unpoisoned_run(files, seed, kind):
    folder = files / str(seed)
    made = {name: str(folder / f"{kind}-{name}") for name in ("detector", "scores", "cost")}
    return UnpoisonedRun(seed, str(folder / "vectors.h5"), **made)


def victim_run(files, seed, kind):
    folder = files / str(seed)
    given = {"vectors": "vectors.h5", "poison": "poison.h5", "trigger": "trigger.json"}
    return VictimRun(
        seed,
        100 + seed,
        **{name: str(folder / file) for name, file in given.items()},
        unpoisoned=str(folder / f"{kind}-scores"),
        scores=str(folder / f"{kind}-victim"),
        cost=str(folder / f"{kind}-victim-cost"),
    )


def train(files, kind, batches, spec="none"):
    """All that is trained of every seed, in jobs of these seeds."""
    # The part of a cell that victims share: what makes it, of what, its file.
    shared = {
        "ae": (train_autoencoder, AUTOENCODER, "ae.safetensors"),
        "filter": (choose_rows, {**FILTER, "several_steps": False}, "choice.h5"),
    }
    for seeds in batches:
        clean = [unpoisoned_run(files, seed, kind) for seed in seeds]
        victims = [victim_run(files, seed, kind) for seed in seeds]
        parts = {"ae": {False: [], True: []}, "filter": {False: [], True: []}}
        for poisoned, cell in ((False, {}), (True, CELL)) if spec in shared else ():
            make, made_of, name = shared[spec]
            cell_kind = f"{kind}-{'poisoned' * poisoned}"
            runs = [cell_part_run(files, seed, cell_kind, name) for seed in seeds]
            make_cell_part_seeds(make, runs, made_of, cell, COMPUTE)
            parts[spec][poisoned] = [file for run in runs for file in (run.part, run.cost)]
        given = [(parts["ae"][poisoned], parts["filter"][poisoned]) for poisoned in (False, True)]
        train_unpoisoned_seeds(clean, SPECS[spec], *given[False], COMPUTE)
        train_victim_seeds(victims, SPECS[spec], CELL, *given[True], COMPUTE)


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("spec", "shared"),
    [
        ("none", []),
        ("ae", ["-ae.safetensors", "poisoned-ae.safetensors"]),
        ("filter", ["-choice.h5", "poisoned-choice.h5"]),
    ],
)
def test_runs_of_one_job_have_the_bytes_of_jobs_of_their_own(files, spec, shared):
    train(files, "together", [SEEDS], spec)
    train(files, "alone", [[2], [0], [1]], spec)
    scores = set()
    for seed in SEEDS:
        for name in ("scores", "victim", *shared):
            one, other = (files / str(seed) / f"{kind}-{name}" for kind in ("together", "alone"))
            assert one.read_bytes() == other.read_bytes()
            scores.add(one.read_bytes())
        cost = read_cost(files / str(seed) / "together-victim-cost")
        assert cost.seconds_training > 0
        assert (cost.seconds_defence > 0) == bool(shared)
    # None is another's.
    assert len(scores) == (2 + len(shared)) * len(SEEDS)


@pytest.mark.promise(6)
def test_a_seed_that_diverges_leaves_the_others_as_they_are(files, monkeypatch):
    real = training._built

    def diverging(vectors, spec, autoencoder, seed, *rest):
        if seed == 1:
            raise TrainingDivergedError(1, np.inf)
        return real(vectors, spec, autoencoder, seed, *rest)

    train(files, "sound", [SEEDS])
    monkeypatch.setattr(training, "_built", diverging)
    train(files, "broken", [SEEDS])
    found = [read_scores(files / str(seed) / "broken-victim").status for seed in SEEDS]
    assert found == ["ok", "diverged", "ok"]
    last = [files / "2" / f"{kind}-victim" for kind in ("sound", "broken")]
    assert last[0].read_bytes() == last[1].read_bytes()


def test_any_other_error_ends_the_job(files):
    (files / "1" / "vectors.h5").write_bytes(b"no HDF5")
    with pytest.raises(DokunukiError, match=r"1/vectors\.h5"):
        train(files, "damaged", [SEEDS])
