"""The autoencoders that runs share."""

from __future__ import annotations

from dokunuki.victims.autoencoders import train_autoencoder
from dokunuki.victims.cost import write_cost
from dokunuki.victims.training import train_unpoisoned
from toy_victims import AUTOENCODER, COMPUTE, SPEC, poison_of


def test_a_shared_autoencoder_is_trained_once_and_used(vectors, trigger, tmp_path):
    path = tmp_path / "autoencoder.safetensors"
    poison = poison_of(vectors, trigger)
    cost = train_autoencoder(vectors, poison, AUTOENCODER, seed=0, compute=COMPUTE, path=path)
    assert cost.seconds_defence > 0
    folder = tmp_path / "detector"
    files = [str(path), str(tmp_path / "cost.json")]
    write_cost(files[1], cost)
    scores, total = train_unpoisoned(
        vectors, SPEC["ae"], files, seed=0, compute=COMPUTE, folder=folder
    )
    assert scores.status == "ok"
    assert total.seconds_defence == cost.seconds_defence
    assert (folder / "transformer-1.safetensors").is_file()


def test_a_diverged_autoencoder_makes_its_victims_diverge(vectors, trigger, tmp_path):
    absurd = {**AUTOENCODER["params"], "optimiser": "sgd", "learning_rate": 1e30}
    spec = {**AUTOENCODER, "params": absurd}
    path = tmp_path / "autoencoder.safetensors"
    cost = train_autoencoder(vectors, None, spec, seed=0, compute=COMPUTE, path=path)
    files = [str(path), str(tmp_path / "cost.json")]
    write_cost(files[1], cost)
    scores, _ = train_unpoisoned(
        vectors, SPEC["ae"], files, seed=0, compute=COMPUTE, folder=tmp_path / "detector"
    )
    assert scores.status == "diverged"
