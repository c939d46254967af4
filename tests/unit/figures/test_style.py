from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure

from dokunuki.figures.style import defence_styles, house_style, save_figure


def test_the_papers_defences_keep_their_style_in_any_company():
    alone = defence_styles({"ae": "AE"})
    among = defence_styles({"pca": "PCA", "none": "No Defence", "ae": "AE", "other": "Other"})
    assert alone["ae"] == among["ae"]
    assert list(among) == ["pca", "none", "ae", "other"]
    assert among["pca"].label == "PCA"


def test_many_defences_all_differ():
    names = ["none", "deletion", "ae-enc", "ae", *(f"d{number}" for number in range(40))]
    styles = defence_styles(dict.fromkeys(names, "x"))
    looks = {(style.colour, style.marker) for style in styles.values()}
    assert len(looks) == len(names)


def test_the_readers_settings_change_nothing(tmp_path):
    def draw(name):
        with house_style():
            figure = Figure(figsize=(2, 2))
            figure.add_subplot().plot([1, 2], label="a")
            save_figure(figure, tmp_path / f"{name}.svg", tmp_path / f"{name}.png", "Title")
        return [(tmp_path / f"{name}.{kind}").read_bytes() for kind in ("svg", "png")]

    first = draw("first")
    with mpl.rc_context({"lines.linewidth": 9, "svg.hashsalt": "x", "axes.facecolor": "red"}):
        second = draw("second")
    assert first == second
    assert b"<dc:date>" not in first[0]
    assert first[0].count(b"http://www.w3.org/2000/svg") == 1
