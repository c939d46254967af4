from __future__ import annotations

import itertools
from dataclasses import replace

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from dokunuki.benchmark import figures
from dokunuki.benchmark.figures import (
    FAMILY_COLOURS,
    TIER_MARKERS,
    heat_values,
    pareto_front,
    write_heatmap,
    write_pareto,
)
from dokunuki.benchmark.pages import _TIER_TITLES
from dokunuki.figures.style import house_style
from dokunuki.study.catalogue import TIERS

from .conftest import DIVERGED, MISSED, PARTLY


@pytest.fixture
def drawn(monkeypatch):
    """The figures instead of their files."""
    kept = []
    monkeypatch.setattr(figures, "save_figure", lambda figure, *rest: kept.append(figure))
    return kept


def extents(texts):
    return [text.get_window_extent() for text in texts]


def around_axes(figure):
    """Titles, footnotes and legends, on every level."""
    parts = [part for row in figure.subfigs for part in (row, *row.subfigs)]
    texts = [text for part in parts for text in (part._suptitle, part._supxlabel) if text]
    return texts, [legend for part in parts for legend in part.legends]


def assert_apart_and_inside(boxes, outer):
    for box in boxes:
        assert box.width > 0
        assert box.x0 >= outer.x0 - 1
        assert box.x1 <= outer.x1 + 1
        assert box.y0 >= outer.y0 - 1
        assert box.y1 <= outer.y1 + 1
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_the_front_holds_what_nothing_beats():
    accuracy = np.array([0.9, 0.8, 0.9, 0.7, 0.7, 0.95])
    asr = np.array([0.2, 0.1, 0.3, 0.1, 0.05, 0.2])
    np.testing.assert_array_equal(
        pareto_front(accuracy, asr), [False, True, False, False, True, True]
    )
    # Equal points do not beat each other.
    assert pareto_front(np.array([0.9, 0.9]), np.array([0.2, 0.2])).all()
    assert pareto_front(np.empty(0), np.empty(0)).size == 0


def test_pareto_labels_every_point_apart(benchmark, drawn):
    with house_style():
        write_pareto("a.svg", "a.png", benchmark.standings, benchmark.study)
        (figure,) = drawn
        figure.draw_without_rendering()
        for axes, count in zip(figure.axes, (30, 4), strict=True):
            assert len(axes.texts) == count
            boxes = extents(axes.texts)
            assert_apart_and_inside(boxes, axes.get_window_extent())
            points = [line for line in axes.lines if line.get_linestyle() == "None"]
            assert len(points) == count
            for line in points:
                x, y = axes.transData.transform(line.get_xydata())[0]
                assert not any(box.contains(x, y) for box in boxes)
        texts, legends = around_axes(figure)
        assert (len(texts), len(legends)) == (4, 2)
        assert "No result, not drawn" in legends[1].get_title().get_text()
        axes = [axes.get_tightbbox() for axes in figure.axes]
        assert_apart_and_inside([*axes, *extents(texts), *extents(legends)], figure.bbox)


def test_points_on_top_of_each_other_still_have_labels_apart(benchmark, drawn):
    same = benchmark.standings.assign(worst_asr=0.05, accuracy_mean=0.95)
    with house_style():
        write_pareto("a.svg", "a.png", same, benchmark.study)
        (figure,) = drawn
        figure.draw_without_rendering()
        axes = figure.axes[0]
        assert len(axes.texts) == 30
        assert_apart_and_inside(extents(axes.texts), axes.get_window_extent())


def test_every_tier_has_a_marker_a_label_and_a_title():
    for known in (TIER_MARKERS, figures._TIER_LABELS, _TIER_TITLES):
        assert tuple(known) == TIERS
    assert len(set(TIER_MARKERS.values())) == len(TIERS)


def test_colour_says_family_marker_says_tier_and_hollow_says_unranked(benchmark, drawn):
    with house_style():
        write_pareto("a.svg", "a.png", benchmark.standings, benchmark.study)
    axes = drawn[0].axes[0]
    rows = benchmark.standings.query("classifier == 'net'").to_dict("records")
    looks = {
        tuple(line.get_xydata()[0]): line for line in axes.lines if line.get_linestyle() == "None"
    }
    for row in rows:
        line = looks[row["accuracy_mean"], row["worst_asr"]]
        assert line.get_marker() == TIER_MARKERS[row["tier"]]
        if row["defence"] == MISSED:
            assert line.get_color() == figures._PALE
        else:
            assert line.get_color() == FAMILY_COLOURS[row["family"]]
        hollow = row["defence"] in (MISSED, DIVERGED, PARTLY) or row["tier"] in (
            "clean-rows",
            "bound",
        )
        assert (line.get_markerfacecolor() == "white") == hollow


def test_the_heatmap_marks_attacks_that_hardly_poison(benchmark, drawn):
    # In the fixture no attack poisons, so that all count.
    cells = benchmark.cells.copy()
    net = cells["classifier"].eq("net")
    for attack, caused in {"greedy": 0.19, "adaptive": 0.2}.items():
        cells.loc[net & cells["attack"].eq(attack), "delta_asr_mean"] = caused
    with house_style():
        write_heatmap("a.svg", "a.png", cells, benchmark.standings, benchmark.study)
        (figure,) = drawn
        figure.draw_without_rendering()
        marked = [
            [label.get_text() for label in axes.get_xticklabels() if "‡" in label.get_text()]
            for axes in figure.axes
        ]
    assert marked == [["Greedy Combined Selection ‡"], []]


def test_the_heatmap_holds_the_highest_asr_and_hatches_the_rest(benchmark, drawn):
    cells = benchmark.cells[benchmark.cells["classifier"] == "net"]
    values = heat_values(cells, benchmark.study)
    assert list(values.columns) == ["greedy", "adaptive", "badnets"]  # the loud control last
    at = cells["defence"].eq("d02") & cells["attack"].eq("greedy")
    assert values.loc[("net", "d02"), "greedy"] == cells.loc[at, "asr_mean"].max()
    with house_style():
        write_heatmap("a.svg", "a.png", benchmark.cells, benchmark.standings, benchmark.study)
        (figure,) = drawn
        figure.draw_without_rendering()
        axes, trees = figure.axes
        assert axes.patch.get_hatch()
        assert axes.collections[0].get_array().mask.sum() == 1
        assert len(axes.texts) == 3 * 30 - 1
        assert sum(text.get_text().endswith("*") for text in axes.texts) == 1
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert [label for label in labels if "†" in label] == ["A defence | number 1 †"]
        assert axes.get_xticklabels()[-1].get_text() == "BadNets (loud)"
        # Only what was run has a row there; the rest is named below.
        assert len(trees.get_yticklabels()) == 4
        texts, _ = around_axes(figure)
        note = " ".join(" ".join(text.get_text() for text in texts).split())
        assert "Not run: A defence | number 1" in note
        for panel in figure.axes:
            assert_apart_and_inside(extents(panel.texts), panel.get_window_extent())
        boxes = [axes.get_tightbbox() for axes in figure.axes]
        assert_apart_and_inside([*boxes, *extents(texts)], figure.bbox)


def test_classifiers_with_one_defence_each_share_a_panel(benchmark, drawn):
    trees = benchmark.standings.query("classifier == 'trees' and run")
    last = trees["defence"].iloc[0]
    alone = trees[trees["defence"] == last]
    standings = pd.concat(
        [benchmark.standings.query("classifier == 'net'")]
        + [alone.assign(classifier=name) for name in ("trees", "forest")]
    )
    study = replace(
        benchmark.study, classifiers={"net": "Net", "trees": "Trees", "forest": "Forest"}
    )
    cells = pd.concat([benchmark.cells, benchmark.cells.assign(classifier="forest")])
    with house_style():
        write_pareto("a.svg", "a.png", standings, study)
        write_heatmap("a.svg", "a.png", cells, standings, study)
    label = study.defences[last].label
    pareto, heat = drawn
    assert [len(figure.axes) for figure in drawn] == [2, 2]
    assert [text.get_text() for text in pareto.axes[1].texts] == [
        f"Trees, {label}",
        f"Forest, {label}",
    ]
    names = [text.get_text().split(" (")[0] for text in heat.axes[1].get_yticklabels()]
    assert names == [f"Trees, {label}", f"Forest, {label}"]
    assert any(
        "classifiers with one defence each" in text.get_text() for text in around_axes(heat)[0]
    )


def test_both_are_written_with_the_same_bytes_and_are_not_empty(benchmark, tmp_path):
    study = replace(benchmark.study, classifiers={"trees": "Trees"})
    for name in ("one", "two"):
        files = (tmp_path / f"p-{name}.svg", tmp_path / f"p-{name}.png")
        write_pareto(*files, benchmark.standings, study)
        files = (tmp_path / f"h-{name}.svg", tmp_path / f"h-{name}.png")
        write_heatmap(*files, benchmark.cells, benchmark.standings, study)
    for figure, kind in itertools.product("ph", ("svg", "png")):
        one, two = (tmp_path / f"{figure}-{name}.{kind}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    for figure in "ph":
        picture = matplotlib.image.imread(tmp_path / f"{figure}-one.png")[..., :3]
        assert 0.02 < (picture < 0.98).any(axis=2).mean() < 0.9


def test_nothing_to_draw_is_no_error(benchmark, tmp_path):
    lost = ["worst_asr", "accuracy_mean"]
    empty = benchmark.standings.assign(**dict.fromkeys(lost, np.nan), place=np.nan, run=False)
    write_pareto(tmp_path / "a.svg", tmp_path / "a.png", empty, benchmark.study)
    write_heatmap(tmp_path / "b.svg", tmp_path / "b.png", benchmark.cells, empty, benchmark.study)
