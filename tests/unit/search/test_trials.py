"""The search for what the paper leaves open."""

from __future__ import annotations

import pytest

from dokunuki.search.trials import search_settings, write_search
from toy_victims import AUTOENCODER, NETWORK, toy_vectors


@pytest.mark.parametrize("kind", ["classifiers", "autoencoders"])
def test_the_search_tries_every_combination_and_sorts_by_held_out_loss(kind, tmp_path):
    part = NETWORK if kind == "classifiers" else AUTOENCODER
    rates = [0.001, 0.01, 1e30]
    spec = {
        "values": {part["name"]: {"learning_rate": rates, "optimiser": ["sgd"], "epochs": [3]}},
        "parts": {part["name"]: part},
        "seed": 7,
        "validation_share": 0.25,
    }
    table = search_settings(toy_vectors(), kind, spec, device="cpu", threads=1)
    assert len(table) == 3
    assert table["status"].tolist() == ["ok", "ok", "diverged"]
    assert table["validation_loss"][:2].is_monotonic_increasing
    assert table["best_epoch"][:2].between(1, 3).all()
    write_search(tmp_path / "search.csv", table)
    assert (
        (tmp_path / "search.csv").read_text().splitlines()[0].startswith("part,settings,best_epoch")
    )
