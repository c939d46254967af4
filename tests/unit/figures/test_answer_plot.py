from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from dokunuki.errors import DokunukiError
from dokunuki.figures import answer_plot
from dokunuki.figures.answer_plot import (
    answer_points,
    draw_points,
    plot_answer,
    write_answer_plot,
)
from dokunuki.figures.style import defence_styles, house_style

DEFENCES = {"none": "No Defence", "deletion": "Deletion", "ae": "AE"}
ATTACKS = {"greedy": "Greedy Selection", "fgsm": "FGSM"}
STYLES = defence_styles(DEFENCES)
CELL = {"trigger_size": 8, "poison_rate": 1.0}


def summary_row(attack, defence, place=0, **changes):
    unpoisoned = attack == "none"
    row = {
        "dataset": "feed",
        "corpus": "simulated",
        "attack": attack,
        "trigger_size": 0 if unpoisoned else 8,
        "poison_rate": 0.0 if unpoisoned else 1.0,
        "defence": defence,
        "classifier": "embernn",
        "seeds_ok": 3,
        "seeds_failed": 0,
        "asr_clean_mean": math.nan if unpoisoned else 0.1,
    }
    asr = math.nan if unpoisoned else 0.6 - 0.25 * place
    for name, mean, half in (("asr", asr, 0.1), ("accuracy", 0.95 - 0.03 * place, 0.01)):
        row |= {f"{name}_mean": mean, f"{name}_low": mean - half, f"{name}_high": mean + half}
    return row | changes


@pytest.fixture
def summary():
    rows = [
        summary_row(attack, name, place, **({"accuracy_mean": 0.96} if attack == "none" else {}))
        for attack, (place, name) in itertools.product(["none", *ATTACKS], enumerate(DEFENCES))
    ]
    # At another N and another p.
    rows.append(summary_row("fgsm", "none", asr_mean=0.99, trigger_size=4))
    rows.append(summary_row("fgsm", "none", asr_mean=0.99, poison_rate=2.0))
    return pd.DataFrame(rows)


def lose(summary, attack, defence, ok):
    """Let the other seeds of one run diverge."""
    at = (summary["attack"] == attack) & (summary["defence"] == defence)
    at &= np.isclose(summary["poison_rate"], 1.0) & (summary["trigger_size"] == 8)
    assert at.sum() == 1
    summary.loc[at, ["seeds_ok", "seeds_failed"]] = [ok, 3 - ok]
    if not ok:
        parts = itertools.product(("asr", "accuracy"), ("mean", "low", "high"))
        summary.loc[at, ["asr_clean_mean", *("_".join(part) for part in parts)]] = math.nan
    return summary


def write(summary, styles=STYLES, attacks=ATTACKS, files=("a.svg", "a.png")):
    write_answer_plot(
        *files, summary, attacks=attacks, styles=styles, data_label="Feed, EmberNN", **CELL
    )


@pytest.fixture
def drawn(monkeypatch):
    """The figures instead of their files."""
    figures = []
    monkeypatch.setattr(answer_plot, "save_figure", lambda figure, *rest: figures.append(figure))
    return figures


def footnote(figure):
    (legend,) = figure.legends
    return legend.get_title().get_text().replace("\n", " ")


def test_points_are_those_of_the_cell_with_their_unpoisoned_counterparts(summary):
    points = answer_points(summary, "fgsm", **CELL)
    assert list(points) == list(DEFENCES)
    assert points["deletion"]["asr"] == pytest.approx((0.35, 0.25, 0.45, 0.1))
    assert points["deletion"]["accuracy"] == pytest.approx((0.92, 0.91, 0.93, 0.96))
    without = summary[summary["attack"] != "none"]
    assert math.isnan(answer_points(without, "fgsm", **CELL)["ae"]["accuracy"].unpoisoned)


def test_a_row_holds_point_interval_and_what_the_poison_did(summary):
    axes = Figure().add_subplot()
    points = {name: both["asr"] for name, both in answer_points(summary, "fgsm", **CELL).items()}
    draw_points(axes, points, STYLES)
    for place, (name, point) in enumerate(points.items()):
        marker, _, (bars,) = axes.containers[2 * place + 1].lines
        assert marker.get_xydata().tolist() == [[point.mean, place]]
        assert (marker.get_color(), marker.get_marker()) == (
            STYLES[name].colour,
            STYLES[name].marker,
        )
        np.testing.assert_allclose(bars.get_segments()[0][:, 0], [point.low, point.high])
        (band,) = axes.containers[2 * place]
        assert sorted([band.get_x(), band.get_x() + band.get_width()]) == pytest.approx(
            [0.1, point.mean]
        )
    low, high = axes.get_ylim()
    assert low > high  # the first defence is on top


def test_a_defence_without_result_says_so(summary, drawn):
    write(lose(lose(summary, "fgsm", "ae", 0), "greedy", "none", 2))
    texts = [[text.get_text() for text in axes.texts] for axes in drawn[0].axes]
    assert texts == [[], [], ["no result"], ["no result"]]
    assert footnote(drawn[0]) == (
        "Mean and 95 % interval of 3 seeds. No Defence under Greedy Selection: 1 of 3 seeds "
        "diverged; AE under FGSM: 3 of 3 seeds diverged."
    )


def test_many_notes_are_cut(summary, drawn):
    for attack, name in itertools.product(ATTACKS, DEFENCES):
        summary = lose(summary, attack, name, 1)
    write(summary)
    assert footnote(drawn[0]).endswith("3 more: see the table.")


def test_one_seed_draws_points_without_intervals(summary, drawn):
    ends = [f"{name}_{end}" for name in ("asr", "accuracy") for end in ("low", "high")]
    summary[ends] = math.nan
    summary["seeds_ok"] = 1
    write(summary)
    assert footnote(drawn[0]) == "One seed, no interval."
    assert len(drawn[0].axes[0].containers) == 6


def test_axes_of_a_measure_share_their_range_and_hold_all_means(summary, drawn):
    summary.loc[summary["defence"] == "ae", "accuracy_low"] = 0.0
    write(summary)
    success, accuracy, *others = drawn[0].axes
    assert success.get_xlim() == (-0.03, 1.03)
    low, high = accuracy.get_xlim()
    # A wild interval does not press the points together.
    assert 0.65 < low < 0.89
    assert 0.96 < high < 1.02
    assert [axes.get_xlim() for axes in others] == [success.get_xlim(), accuracy.get_xlim()]
    assert [label.get_text() for label in success.get_yticklabels()] == list(DEFENCES.values())


def test_all_results_may_be_missing(summary, drawn):
    for attack, name in itertools.product(ATTACKS, DEFENCES):
        summary = lose(summary, attack, name, 0)
    summary.loc[summary["attack"] == "none", "accuracy_mean"] = math.nan
    write(summary)
    assert drawn[0].axes[1].get_xlim() == pytest.approx((-0.03, 1.03))


def test_long_names_and_many_rows_stay_inside(drawn):
    names = {f"d{number}": f"A defence with a rather long name {number}" for number in range(11)}
    attacks = {f"a{number}": "An attack of a long name " * 2 for number in range(3)}
    rows = [summary_row(*pair) for pair in itertools.product(["none", *attacks], names)]
    with house_style():
        write(pd.DataFrame(rows), defence_styles(names), attacks)
        (figure,) = drawn
        figure.draw_without_rendering()
        outer = figure.bbox
        boxes = [axes.get_tightbbox() for axes in figure.axes]
        boxes += [legend.get_window_extent() for legend in figure.legends]
        labels = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
        numbers = [[text.get_text() for text in axes.get_xticklabels()] for axes in figure.axes]
    # So many rows have numbers at every axis.
    assert all("100" in texts for texts in numbers[::2])
    assert [axes.xaxis.get_tick_params()["labelbottom"] for axes in figure.axes] == [True] * 6
    for box in boxes:
        assert box.x0 >= outer.x0 - 1
        assert box.x1 <= outer.x1 + 1
        assert box.y0 >= outer.y0 - 1
        assert box.y1 <= outer.y1 + 1
    assert not any(one.overlaps(other) for one, other in itertools.combinations(labels, 2))


def plot(summary, monkeypatch, files, classifier="embernn"):
    monkeypatch.setattr(answer_plot, "read_metrics", lambda path: path)
    monkeypatch.setattr(answer_plot, "summarise", lambda table: summary)
    plot_answer(
        "metrics.csv",
        dataset="feed",
        classifier=classifier,
        titles={
            "datasets": {"feed": "Feed A"},
            "attacks": ATTACKS,
            "classifiers": {"embernn": "EmberNN", "trees": "Trees"},
            "defences": {"pca": "PCA", **DEFENCES},
        },
        svg=files[0],
        png=files[1],
        **CELL,
    )


def test_the_figure_is_written_from_the_metrics_with_the_same_bytes(summary, tmp_path, monkeypatch):
    other = [summary_row("fgsm", "pca", classifier="trees")]
    summary = pd.concat([summary, pd.DataFrame(other)])
    for name in "ab":
        plot(summary, monkeypatch, [tmp_path / f"{name}.{kind}" for kind in ("svg", "png")])
    for kind in ("svg", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    title = "N = 8, p = 1 %. Feed A (simulated corpus), EmberNN"
    assert title in (tmp_path / "a.svg").read_text()


def test_defences_not_run_with_the_classifier_are_left_out(summary, drawn, monkeypatch):
    rows = [summary_row(attack, "pca", classifier="trees") for attack in ("none", *ATTACKS)]
    plot(pd.concat([summary, pd.DataFrame(rows)]), monkeypatch, ("", ""), "trees")
    assert [label.get_text() for label in drawn[0].axes[0].get_yticklabels()] == ["PCA"]


def test_rows_of_other_grids_change_nothing(summary, drawn, monkeypatch):
    """The table may hold what further grids add: more defences, and more seeds in other cells."""
    plot(summary, monkeypatch, ("", ""))
    more = [
        summary_row("fgsm", "other", seeds_failed=2),
        summary_row("fgsm", "ae", trigger_size=1, seeds_ok=5),
        summary_row("other", "ae", seeds_ok=5),
    ]
    plot(pd.concat([summary, pd.DataFrame(more)]), monkeypatch, ("", ""))
    assert footnote(drawn[0]) == footnote(drawn[1]) == "Mean and 95 % interval of 3 seeds."
    for before, after in zip(drawn[0].axes, drawn[1].axes, strict=True):
        assert len(before.containers) == len(after.containers)
        assert before.get_xlim() == after.get_xlim()


def test_the_table_of_another_run_is_an_error(summary, monkeypatch):
    with pytest.raises(DokunukiError, match="dataset 'feed' with classifier 'trees'"):
        plot(summary, monkeypatch, ("", ""), "trees")
