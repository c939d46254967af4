from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.vectoriser import vectorise
from dokunuki.realism.comparison import write_comparison
from dokunuki.realism.figures import plot_byte_means, plot_embedding, plot_marginals
from dokunuki.realism.measures import (
    LabelledRows,
    Standardised,
    difficulty,
    embedding,
    lightgbm,
    marginals,
    measures,
    read_labelled,
    regions,
    transfer,
)
from html_reader import Reader
from simember.generator import SimulatedSpec, iterate_rows, write_corpus

LAYOUT = feature_layout(1)


@pytest.fixture(scope="module")
def simulated() -> LabelledRows:
    rows = [row for row, _ in iterate_rows(SimulatedSpec(rows=700, seed=21))]
    return LabelledRows(vectorise(rows, 1), np.array([row["label"] for row in rows]))


@pytest.fixture(scope="module")
def real(sample_folder) -> LabelledRows:
    with np.load(sample_folder / "reference_vectors.npz") as file:
        return LabelledRows(file["X"], file["y"])


def only(**sets: str):
    """Stands in for `regions`: fewer and narrower column sets, to be fast."""
    return lambda layout: {name: regions(layout)[region] for name, region in sets.items()}


def test_transfer_to_real_rows_and_back(simulated, real, monkeypatch):
    monkeypatch.setattr(
        "dokunuki.realism.measures.regions", only(all="non_hashed", header="header")
    )
    table = transfer(simulated, real, LAYOUT).set_index("columns")
    # The bounds of 0.90 hold for 8,000 rows and all columns; this is a small part of both.
    assert table.loc["all", "simulated_to_real"] > 0.75
    assert table.loc["all", "real_to_simulated"] > 0.75
    assert table.loc["all", "real_to_real"] > 0.9
    assert not table["at_chance"].any()


def test_marginals_lie_near_real_ones(simulated, real):
    table = marginals(simulated, real, LAYOUT)
    assert len(table) == 70
    assert table["ks"].median() < 0.25
    assert (table["simulated_minimum"] <= table["simulated_median"]).all()


def test_marginals_of_equal_and_of_disjoint_rows(simulated):
    equal = marginals(simulated, simulated, LAYOUT)
    assert (equal["ks"] == 0).all()
    shifted = LabelledRows(simulated.X + 1e12, simulated.y)
    assert (marginals(shifted, simulated, LAYOUT)["ks"] == 1).all()


def test_an_unlearnable_world_is_at_chance(simulated, monkeypatch):
    monkeypatch.setattr("dokunuki.realism.measures.regions", only(header="header"))
    rng = np.random.default_rng(0)
    noise = LabelledRows(simulated.X, rng.permutation(simulated.y))
    table = transfer(noise, simulated, LAYOUT)
    assert table["at_chance"].tolist() == [True]


def test_difficulty_of_two_classifiers(simulated, monkeypatch):
    sets = only(all="non_hashed", undefended="byteentropy")
    monkeypatch.setattr("dokunuki.realism.measures.regions", sets)
    train = LabelledRows(simulated.X[:550], simulated.y[:550])
    test = LabelledRows(simulated.X[550:], simulated.y[550:])
    table = difficulty(
        train,
        test,
        LAYOUT,
        {"lightgbm": lightgbm, "embernn": lambda: Standardised(lightgbm())},
    )
    assert table["columns"].tolist() == ["all", "all", "undefended", "undefended"]
    assert table["accuracy"].between(0.7, 1.0).all()


def test_measures_stand_beside_their_bounds():
    transfers = pd.DataFrame(
        {
            "columns": ["all", "exports"],
            "simulated_to_real": [0.93, 0.5],
            "real_to_simulated": [0.89, 0.5],
            "at_chance": [False, True],
        }
    )
    columns = pd.DataFrame({"ks": [0.1, 0.2, 0.9]})
    difficulties = pd.DataFrame(
        {
            "columns": ["all", "all", "undefended", "undefended"],
            "classifier": ["embernn", "lightgbm", "embernn", "lightgbm"],
            "accuracy": [0.96, 0.97, 0.95, 0.9],
        }
    )
    table = measures(transfers, columns, difficulties)
    assert table["holds"].tolist() == [True, False, False, True, True, False, True]
    assert table["value"].iloc[2:4].tolist() == [1, 0.2]
    assert len(measures(transfers, columns)) == 4


def test_lightgbm_is_the_same_twice(simulated):
    columns = LAYOUT.non_hashed
    scores = [
        lightgbm(seed=3)
        .fit(simulated.X[:, columns], simulated.y)
        .predict_proba(simulated.X[:, columns])
        for _ in range(2)
    ]
    assert (scores[0] == scores[1]).all()
    assert np.allclose(scores[0].sum(axis=1), 1)


def test_plots(simulated):
    half = LabelledRows(simulated.X[::2], simulated.y[::2])
    points = embedding(simulated, half, LAYOUT, rows=100)
    assert len(points) == 200
    assert points.groupby("world").size().to_dict() == {"real": 100, "simulated": 100}
    assert embedding(simulated, half, LAYOUT, rows=100).equals(points)
    for figure in (
        plot_embedding(points),
        plot_marginals(simulated, half, LAYOUT),
        plot_byte_means(simulated, half, LAYOUT),
    ):
        assert isinstance(figure, Figure)
        assert figure.axes


def test_the_whole_comparison_from_two_folders_to_a_page(tmp_path):
    for seed, name in enumerate(("simulated", "real")):
        write_corpus(tmp_path / name, SimulatedSpec(rows=200, families=30, vendors=30, seed=seed))
    real = read_labelled(tmp_path / "real", 1, most=120)
    assert np.bincount(real.y).tolist() == [60, 60]
    tables = ("measures", "transfer", "marginals", "difficulty")

    def written(name):
        folder = tmp_path / name
        plots = ("marginals", "bytes", "embedding")
        write_comparison(
            tmp_path / "simulated",
            tmp_path / "real",
            real_rows=120,
            version=1,
            classifier={"class": "sklearn.naive_bayes.GaussianNB", "params": {}},
            device="cpu",
            threads=1,
            precision="float32",
            tables={name: folder / f"{name}.csv" for name in tables},
            svg=[folder / f"{plot}.svg" for plot in plots],
            png=[folder / f"{plot}.png" for plot in plots],
            report=folder / "report.html",
        )
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    files = written("one")
    assert len(files) == 4 + 6 + 1
    measured = pd.read_csv(tmp_path / "one" / "measures.csv")
    assert measured["measure"].str[0].tolist() == list("1234555")
    page = files["report.html"].decode()
    assert page.count("data:image/svg+xml;base64,") == 3
    reader = Reader(page)
    assert len(reader.sections["Non-hashed columns, by class", ""]) == 1 + 2 * 35
    (heads, first, *_) = reader.sections["The measures beside their bounds", ""]
    assert heads == ["measure", "value", "bound", "holds"]
    assert first[0] == "1 trained on simulated, tested on real: ROC AUC"
    assert first[1] == f"{measured['value'][0]:.4g}"
    assert files == written("two")
