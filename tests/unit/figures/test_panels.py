from __future__ import annotations

import itertools
import math
import struct
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from dokunuki.errors import DokunukiError
from dokunuki.figures import panels
from dokunuki.figures.panels import (
    View,
    accuracy_limits,
    delta_limits,
    draw_panel,
    draw_panels,
    panel_title,
    write_page,
    write_panel,
)
from dokunuki.figures.style import defence_styles, house_style
from dokunuki.study.panels import PANELS

SIZES = (1, 2, 4, 8, 16, 32)
RATES = (0.0, 0.5, 1.0, 2.0, 4.0)
MEASURES = ("asr", "delta_asr", "accuracy")
DEFENCES = {"none": "No Defence", "deletion": "Deletion", "ae-enc": "AE enc", "ae": "AE"}
STYLES = defence_styles(DEFENCES)
VIEW = View(
    "feed", "simulated", "greedy", "embernn", "Feed A", "Greedy Selection", "EmberNN", STYLES
)


def summary_row(size, rate, defence, place, **changes):
    asr = 0.02 * size + 0.1 * rate + 0.05 * place
    accuracy, delta = 0.97 - 0.02 * place, asr - 0.15
    row = {
        "dataset": "feed",
        "corpus": "simulated",
        "attack": "greedy",
        "trigger_size": size,
        "poison_rate": rate,
        "defence": defence,
        "classifier": "embernn",
        "seeds_ok": 3,
        "seeds_failed": 0,
    }
    for name, mean in (("asr", asr), ("delta_asr", delta), ("accuracy", accuracy)):
        least = -1.0 if name == "delta_asr" else 0.0
        row |= {f"{name}_mean": mean, f"{name}_half": 0.02}
        row |= {f"{name}_low": max(least, mean - 0.02), f"{name}_high": min(1.0, mean + 0.02)}
    return row | changes


@pytest.fixture
def summary():
    cells = sorted({(size, 1.0) for size in SIZES} | {(8, rate) for rate in RATES})
    rows = [
        summary_row(*cell, name, place)
        for cell, (place, name) in itertools.product(cells, enumerate(DEFENCES))
    ]
    # Rows that no panel of VIEW may show.
    rows.append(summary_row(64, 1.0, "none", 0, attack="fgsm"))
    rows.append(summary_row(64, 1.0, "none", 0, dataset="other"))
    rows.append(summary_row(64, 1.0, "none", 0, corpus="ember"))
    rows.append(summary_row(64, 1.0, "none", 0, classifier="lightgbm"))
    rows.append(summary_row(64, 1.0, "pca", 0))
    return pd.DataFrame(rows)


def lose(summary, size, rate, defence, ok, failed):
    """Let some seeds of one cell diverge."""
    at = (
        (summary["trigger_size"] == size)
        & (summary["poison_rate"] == rate)
        & (summary["defence"] == defence)
        & (summary["attack"] == "greedy")
    )
    assert at.sum() == 1
    summary.loc[at, ["seeds_ok", "seeds_failed"]] = [ok, failed]
    if not ok:
        parts = ("mean", "half", "low", "high")
        names = [f"{name}_{part}" for name in MEASURES for part in parts]
        summary.loc[at, names] = math.nan
    return summary


def draw(summary, measure, axis, fixed, view=VIEW):
    axes = Figure(figsize=(4, 3)).add_subplot()
    notes = draw_panel(axes, summary, view, measure, axis, fixed)
    return axes, notes


def lines_by_label(axes):
    handles, labels = axes.get_legend_handles_labels()
    return {label: handle for handle, label in zip(handles, labels, strict=True)}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("axis", "fixed", "values"), [("trigger_size", 1.0, SIZES), ("poison_rate", 8, RATES)]
)
def test_the_lines_hold_the_summary(summary, measure, axis, fixed, values):
    axes, notes = draw(summary, measure, axis, fixed)
    assert notes == []
    drawn = lines_by_label(axes)
    assert list(drawn) == list(DEFENCES.values())
    for place, label in enumerate(DEFENCES.values()):
        points = [(v, 1.0) if axis == "trigger_size" else (8, v) for v in values]
        rows = [summary_row(*point, "", place) for point in points]
        line, _, (bars,) = drawn[label].lines
        np.testing.assert_array_equal(line.get_xdata(), values)
        np.testing.assert_allclose(line.get_ydata(), [row[f"{measure}_mean"] for row in rows])
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        expected = [[row[f"{measure}_low"], row[f"{measure}_high"]] for row in rows]
        np.testing.assert_allclose(ends, expected)
        style = STYLES[list(DEFENCES)[place]]
        assert (line.get_color(), line.get_marker()) == (style.colour, style.marker)


def test_ticks_stand_at_the_values(summary):
    axes, _ = draw(summary, "asr", "trigger_size", 1.0)
    axes.figure.canvas.draw()
    assert [label.get_text() for label in axes.get_xticklabels()] == [str(n) for n in SIZES]
    along = axes.transData.transform([(n, 0) for n in SIZES])[:, 0]
    np.testing.assert_allclose(np.diff(along), np.diff(along)[0])  # powers of two, evenly
    axes, _ = draw(summary, "asr", "poison_rate", 8)
    axes.figure.canvas.draw()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "0.5", "1", "2", "4"]
    assert [label.get_text() for label in axes.get_yticklabels()][1:-1] == [
        *("0", "20", "40", "60", "80", "100")
    ]


@pytest.mark.parametrize("sizes", [(0, 1, 2, 4), (8,), (1, 2, 16, 17, 18)])
def test_other_trigger_sizes_have_places_of_their_own(summary, sizes):
    rows = [summary_row(size, 1.0, "ae", 0) for size in sizes]
    axes, _ = draw(pd.DataFrame(rows), "accuracy", "trigger_size", 1.0)
    axes.figure.canvas.draw()
    assert [label.get_text() for label in axes.get_xticklabels()] == [str(n) for n in sizes]
    along = axes.transAxes.inverted().transform(
        axes.transData.transform([(n, 0.95) for n in sizes])
    )[:, 0]
    assert along[0] > 0.01
    assert along[-1] < 0.99
    assert all(np.diff(along) > 0.05)


def test_a_point_without_results_leaves_a_gap_and_a_footnote(summary):
    summary = lose(summary, 16, 1.0, "ae", 0, 3)
    summary = lose(summary, 2, 1.0, "ae-enc", 2, 1)
    axes, notes = draw(summary, "asr", "trigger_size", 1.0)
    assert notes == [
        "AE enc: 1 of 3 seeds diverged at N = 2",
        "AE: 3 of 3 seeds diverged at N = 16",
    ]
    line = lines_by_label(axes)["AE"].lines[0]
    np.testing.assert_array_equal(np.isnan(line.get_ydata()), [n == 16 for n in SIZES])
    _, notes = draw(summary, "asr", "poison_rate", 8)
    assert notes == []


def test_footnotes_join_values_and_name_absent_rows(summary):
    summary = lose(lose(summary, 8, 2.0, "ae", 2, 1), 8, 4.0, "ae", 2, 1)
    absent = (summary["defence"] == "deletion") & (summary["poison_rate"] == 0.5)
    _, notes = draw(summary[~absent], "asr", "poison_rate", 8)
    assert notes == [
        "Deletion: no result at p = 0.5 %",
        "AE: 1 of 3 seeds diverged at p = 2, 4 %",
    ]


def test_a_sweep_that_the_table_lacks_is_an_error(summary):
    with pytest.raises(DokunukiError, match=r"attack 'greedy'.*poison_rate = 3"):
        draw(summary, "asr", "trigger_size", 3.0)


def test_both_accuracy_panels_share_a_range_that_holds_all_means(summary):
    ranges = {
        draw(summary, "accuracy", *sweep)[0].get_ylim()
        for sweep in (("trigger_size", 1.0), ("poison_rate", 8))
    }
    assert len(ranges) == 1
    low, high = accuracy_limits(summary, VIEW)
    assert (low, high) == (pytest.approx(0.85), pytest.approx(1.0))


def test_a_wild_interval_does_not_press_the_lines_together(summary):
    summary.loc[summary["defence"] == "ae", "accuracy_low"] = 0.0
    assert accuracy_limits(summary, VIEW)[0] == pytest.approx(0.75)
    assert accuracy_limits(summary.assign(accuracy_mean=math.nan), VIEW) == (0.0, 1.0)


def test_both_panels_of_what_poisoning_adds_go_from_their_lowest_value_to_one(summary):
    ranges = {
        draw(summary, "delta_asr", *sweep)[0].get_ylim()
        for sweep in (("trigger_size", 1.0), ("poison_rate", 8))
    }
    assert len(ranges) == 1
    # The lowest mean is -0.03, its interval goes to -0.05.
    assert delta_limits(summary, VIEW) == (pytest.approx(-0.1), 1.0)
    assert delta_limits(summary.assign(delta_asr_mean=0.3, delta_asr_low=0.2), VIEW) == (0.0, 1.0)
    summary.loc[summary["defence"] == "ae", "delta_asr_low"] = -1.0
    assert delta_limits(summary, VIEW)[0] == pytest.approx(-0.2)
    assert delta_limits(summary.assign(delta_asr_mean=math.nan), VIEW) == (0.0, 1.0)


def test_a_page_letters_the_papers_panels_alone(summary, drawn):
    write_page("a.svg", "a.png", summary, VIEW, 1.0, 8)
    titles = [axes.get_title(loc="left") for axes in drawn[0].axes]
    letters = [title[len("$\\bf{")] if title.startswith("$") else "" for title in titles]
    assert letters == ["a", "b", "", "", "c", "d"]
    assert "ΔASR, added by the poison, p = 1 %" in titles


def test_titles_name_attack_fixed_value_and_simulated_corpus():
    assert panel_title(VIEW, "asr", "trigger_size", 1.0) == (
        "Attack success rate, Greedy Selection, p = 1 %"
    )
    assert panel_title(VIEW, "accuracy", "poison_rate", 8) == "Accuracy, Greedy Selection, N = 8"
    assert VIEW.data_label == "Feed A (simulated corpus), EmberNN"


def png_inches(path):
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width / 150, height / 150


def test_a_panel_is_written_twice_with_the_same_bytes(summary, tmp_path):
    for name in ("a", "b"):
        files = (tmp_path / f"{name}.svg", tmp_path / f"{name}.png")
        write_panel(*files, summary, VIEW, "asr", "trigger_size", 1.0)
    for kind in ("svg", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    assert png_inches(tmp_path / "a.png") == (pytest.approx(4.8), pytest.approx(3.6, abs=0.15))
    text = (tmp_path / "a.svg").read_text()
    assert "Attack success rate, Greedy Selection, p = 1 %. Feed A (simulated corpus)" in text


def footnote(figures):
    """What the only figure that was drawn says above its legend."""
    (figure,) = figures
    (legend,) = figure.legends
    return legend.get_title().get_text().replace("\n", " ")


@pytest.fixture
def drawn(monkeypatch):
    """The figures instead of their files."""
    figures = []
    monkeypatch.setattr(panels, "save_figure", lambda figure, *rest: figures.append(figure))
    return figures


def test_a_page_is_written_with_footnotes_once(summary, drawn):
    summary = lose(summary, 16, 1.0, "ae", 2, 1)
    write_page("p.svg", "p.png", summary, VIEW, 1.0, 8)
    assert footnote(drawn) == (
        "Mean and 95 % interval of 3 seeds. AE: 1 of 3 seeds diverged at N = 16."
    )
    assert drawn[0].get_size_inches()[0] == pytest.approx(8.6)


def test_pages_have_the_same_bytes(summary, tmp_path):
    for name in ("a", "b"):
        files = (tmp_path / f"{name}.svg", tmp_path / f"{name}.png")
        write_page(*files, summary, VIEW, 1.0, 8)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_one_seed_draws_points_without_intervals(summary, drawn):
    parts = [f"{name}_{part}" for name in MEASURES for part in ("low", "high", "half")]
    summary[parts] = math.nan
    summary["seeds_ok"] = 1
    axes, notes = draw(summary, "accuracy", "trigger_size", 1.0)
    assert notes == []
    assert np.isfinite(lines_by_label(axes)["AE"].lines[0].get_ydata()).all()
    write_panel("a.svg", "a.png", summary, VIEW, "asr", "trigger_size", 1.0)
    assert footnote(drawn) == "One seed, no interval."


def test_long_footnotes_are_cut(summary, drawn):
    for number, size in enumerate(SIZES):
        lose(summary, size, 1.0, "ae", number, 3 + number)
    write_panel("a.svg", "a.png", summary, VIEW, "asr", "trigger_size", 1.0)
    assert footnote(drawn).endswith("3 more: see the table.")


@pytest.mark.parametrize("page", [False, True])
def test_long_names_and_many_defences_stay_inside(summary, drawn, page):
    names = {f"d{number}": f"A defence with a rather long name {number}" for number in range(11)}
    cells = [*((size, 1.0) for size in SIZES), *((8, rate) for rate in (2.0, 4.0))]
    rows = pd.DataFrame([summary_row(*cell, name, 0) for cell in cells for name in names])
    view = replace(
        VIEW, styles=defence_styles(names), attack_label="Greedy " * 12, dataset_label="Feed " * 20
    )
    with house_style():
        if page:
            write_page("a.svg", "a.png", rows, view, 1.0, 8)
        else:
            write_panel("a.svg", "a.png", rows, view, "asr", "trigger_size", 1.0)
        (figure,) = drawn
        figure.draw_without_rendering()
        outer = figure.bbox
        titles = [figure._suptitle, figure.subfigs[0]._suptitle]
        boxes = [text.get_window_extent() for text in titles]
        boxes += [legend.get_window_extent() for legend in figure.legends]
        boxes += [axes.get_tightbbox() for axes in figure.axes]
        plots = [axes.get_window_extent() for axes in figure.axes]
    assert len(boxes) == (9 if page else 4)
    for box in boxes:
        assert box.x0 >= outer.x0 - 1
        assert box.x1 <= outer.x1 + 1
        assert box.y0 >= outer.y0 - 1
        assert box.y1 <= outer.y1 + 1
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert all(plot.height > 1.2 * figure.dpi for plot in plots)


def test_all_panels_of_an_attack_are_drawn_from_the_metrics(summary, tmp_path, monkeypatch):
    monkeypatch.setattr(panels, "read_metrics", lambda path: path)
    monkeypatch.setattr(panels, "summarise", lambda table: summary)
    files = {kind: [tmp_path / f"{name}.{kind}" for name in PANELS] for kind in ("svg", "png")}
    page = (tmp_path / "page.svg", tmp_path / "page.png")
    draw_panels(
        tmp_path / "metrics.csv",
        dataset="feed",
        corpus="simulated",
        attack="greedy",
        classifier="embernn",
        titles={
            "datasets": {"feed": "Feed A"},
            "attacks": {"greedy": "Greedy Selection"},
            "classifiers": {"embernn": "EmberNN"},
            "defences": {**DEFENCES, "pca": "PCA"},
        },
        defences=list(DEFENCES),
        fixed_trigger_size=8,
        fixed_poison_rate=1.0,
        svg=files["svg"],
        png=files["png"],
        page=page,
    )
    for name, file in zip(PANELS, files["svg"], strict=True):
        fixed = "p = 1 %" if name.endswith("over-n") else "N = 8"
        measure = {
            "asr": "Attack success rate",
            "delta_asr": "ΔASR, added by the poison",
            "accuracy": "Accuracy",
        }[PANELS[name].measure]
        assert f"{measure}, Greedy Selection, {fixed}. Feed A" in file.read_text()
    assert all(file.stat().st_size for file in (*files["png"], *page))


def test_a_defence_without_any_row_is_a_footnote(summary):
    without = summary[summary["defence"] != "ae"]
    axes, notes = draw(without, "asr", "trigger_size", 1.0)
    assert notes == ["AE: no result at N = 1, 2, 4, 8, 16, 32"]
    assert len(lines_by_label(axes)["AE"].lines[0].get_xdata()) == 0
