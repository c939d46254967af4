from __future__ import annotations

import subprocess
import sys

from dokunuki.study.panels import PANELS


def test_names_and_labels_say_what_is_drawn():
    sides = {"trigger_size": "n", "poison_rate": "p"}
    for name, panel in PANELS.items():
        assert name == f"{panel.measure}-over-{sides[panel.axis]}"
        measure, side = panel.measure.replace("asr", "ASR"), sides[panel.axis].upper()
        expected = f"{panel.letter}: {measure} over {side.replace('P', 'p')}"
        assert panel.label == expected
    assert [panel.letter for panel in PANELS.values()] == list("abcd")


def test_they_are_read_without_drawing_anything():
    code = "import sys, dokunuki.study.panels; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
