"""How fast triggers are selected, beside the published formulation, value by value.

At this size no selection takes long: none is to be slower than as published. The bounds of a large
table are those of bench.large_selection. Rows are simulated; explanations are those of a small
EmberNN trained on them. Usage: python -m bench.selection [--rows N] [--size N] [--rounds N]
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from bench.harness import emit, interleaved, machine, row
from bench.material import surrogate, vectors
from bench.plain_selection import plain_greedy, plain_independent
from dokunuki.attacks.greedy import GreedyCombinedSelection
from dokunuki.attacks.independent import IndependentSelection
from dokunuki.attacks.protocol import AttackerKnowledge
from dokunuki.corpus.layout import feature_layout
from dokunuki.surrogate.explaining import explain

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Measure every way to select from explanations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    emit(machine(["numpy"], benchmark="selection"))
    X, y = vectors(arguments.rows)
    model = surrogate(X, y, [64], epochs=3, threads=1)
    S = explain(model, X, background_rows=20, samples=5, seed=0)
    layout = feature_layout(1)
    knowledge = AttackerKnowledge(X, y, layout, S, model, seed=0)
    columns, size = layout.non_hashed.tolist(), arguments.size
    attacks: dict[str, tuple[Any, Callable[[], list[tuple[int, float]]]]] = {
        f"Independent Selection, {values}": (
            IndependentSelection(values=values),
            lambda values=values: plain_independent(X, S, columns, size, values),
        )
        for values in ("min_population", "count_abs_shap")
    }
    attacks["Greedy Combined Selection"] = (
        GreedyCombinedSelection(),
        lambda: plain_greedy(X, S, columns, size),
    )
    for name, (attack, plain) in attacks.items():
        select = lambda attack=attack: attack.select_trigger(knowledge, size)  # noqa: E731
        trigger = select()
        chosen = zip(trigger.indices.tolist(), trigger.values.tolist(), strict=True)
        same = list(chosen) == plain()
        seconds = interleaved({"plain": plain, "ours": select}, arguments.rounds, time.process_time)
        name = f"{name}, {len(X)} rows, N = {size}"
        measured = {f"{side}_s": value for side, value in seconds.items()}
        emit(row(f"{name}: speed", measured, seconds["plain"] / seconds["ours"], 1))
        emit(row(f"{name}: the same trigger", {}, float(same), 1))


if __name__ == "__main__":
    main()
