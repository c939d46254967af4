"""Planting an attack: its trigger is chosen and stamped into the training rows that it poisons."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.attacks.poisoning import Poison, rows_to_poison
from dokunuki.attacks.protocol import AttackerKnowledge, MasksTrigger, VariesTrigger
from dokunuki.attacks.row_choice import NEAR_MALWARE, choose_rows, shuffled_rows
from dokunuki.attacks.selection import columns_of
from dokunuki.errors import AttackError
from dokunuki.parts.building import build
from dokunuki.storage.matrix import only_rows
from dokunuki.surrogate.share import known_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dokunuki.attacks.trigger import Trigger
    from dokunuki.corpus.vectors import Vectors
    from dokunuki.storage.matrix import Matrix
    from dokunuki.surrogate.protocol import Surrogate


def plant(
    vectors: Vectors,
    spec: Mapping[str, Any],
    *,
    seed: int,
    surrogate_name: str,
    surrogate: Callable[[], Surrogate],
    explanations: Callable[[], Matrix],
    precision: str = "auto",
) -> tuple[Trigger, Poison]:
    """Choose an attack's trigger and plant it into the training rows.

    `spec` holds the `attack` (name, class, params), its `rows` (a rule of `choose_rows`), the
    `share` of the training rows that the attacker knows, in percent, and the largest `size` and
    `rate` of the grid. The trigger is shorter where the attack has fewer features to choose from.
    `surrogate` and `explanations` load the attacker's model and its SHAP values of the known rows,
    float32 (k, width). They are called only where the attack needs them, since loading takes time.
    `precision` is that of networks that the attack trains. Raises AttackError and ConfigError as
    the attack, `choose_rows` and `plant_poison` do.
    """
    attack = build(spec["attack"]["class"], spec["attack"]["params"], precision=precision)
    X, y = vectors.rows("train"), vectors.labels("train")
    known = known_rows(y, spec["share"], seed)
    asks_surrogate = attack.needs_surrogate or spec["rows"] == NEAR_MALWARE
    knowledge = AttackerKnowledge(
        X=only_rows(X, known),
        y=y[known],
        layout=vectors.layout,
        explanations=explanations() if attack.needs_explanations else None,
        surrogate=surrogate() if asks_surrogate else None,
        seed=seed,
        name=surrogate_name,
        dataset=vectors.dataset,
    )
    size = min(spec["size"], attack.longest(vectors.layout))
    trigger = attack.select_trigger(knowledge, size)
    poison = plant_poison(
        y,
        trigger,
        spec["rate"],
        poisoned_class=attack.poisoned_class,
        label_flip=attack.label_flip,
        seed=seed,
        rows=choose_rows(spec["rows"], attack, knowledge, X, y),
        shaping=(attack, X) if isinstance(attack, (MasksTrigger, VariesTrigger)) else None,
    )
    return replace(trigger, attack=spec["attack"]["name"]), poison


def plant_poison(
    y: np.ndarray,
    trigger: Trigger,
    rate_percent: float,
    *,
    poisoned_class: int,
    label_flip: bool,
    seed: int,
    rows: np.ndarray | None = None,
    shaping: tuple[MasksTrigger | VariesTrigger, Matrix] | None = None,
) -> Poison:
    """Stamp `trigger` into a share of the training rows of one class.

    `y` (n,) are the labels of the *training* part alone. `rows` are positions of rows labelled
    `poisoned_class`, most preferred first, by default `shuffled_rows`. The first of them are
    altered, so that a smaller rate poisons a subset of a larger one's rows. Where there are fewer
    than `rate_percent` percent of the training part, all of them are altered, and `Poison.cell`
    refuses a rate that asks for more. With `label_flip`, the altered rows get the other class's
    label. `shaping` is a pair: an attack that says what each poisoned row holds of the trigger, and
    the raw rows of the training part (n, width). The attack's values replace the trigger's, and a
    row keeps its own value where the attack's mask is False. Raises AttackError when the rate is
    out of range or rounds to no row, or when values or mask have another shape.
    """
    if poisoned_class not in (0, 1):
        raise AttackError(f"the poisoned class is 0 or 1, not {poisoned_class!r}")
    count = rows_to_poison(rate_percent, len(y))
    if rows is None:
        rows = shuffled_rows(y, poisoned_class, seed)
    indices = rows[:count]
    label = 1 - poisoned_class if label_flip else poisoned_class
    values = np.tile(trigger.values, (len(indices), 1))
    if shaping is not None:
        attack, X = shaping
        if isinstance(attack, VariesTrigger):
            values = _varied(attack, trigger, X, len(indices), seed)
        if isinstance(attack, MasksTrigger):
            own = only_rows(X, indices)[:, trigger.indices]
            values = np.where(_mask(attack, len(indices), trigger.size, seed), values, own)
    return Poison(
        indices=indices,
        columns=trigger.indices,
        values=values,
        labels=np.full(len(indices), label, dtype=np.int8),
        train_rows=len(y),
        poisoned_class=poisoned_class,
    )


def _mask(attack: MasksTrigger, count: int, size: int, seed: int) -> np.ndarray:
    mask = attack.poison_mask(count, size, seed)
    if mask.dtype != np.bool_ or mask.shape != (count, size):
        raise AttackError(
            f"{type(attack).__name__}.poison_mask gave {mask.dtype} {mask.shape} for {count} rows "
            f"and {size} features; it must be bool ({count}, {size})"
        )
    return mask


def _varied(
    attack: VariesTrigger, trigger: Trigger, X: Matrix, count: int, seed: int
) -> np.ndarray:
    values = attack.poison_values(trigger, columns_of(X, trigger.indices), count, seed)
    if values.dtype != np.float32 or values.shape != (count, trigger.size):
        raise AttackError(
            f"{type(attack).__name__}.poison_values gave {values.dtype} {values.shape} for {count} "
            f"rows and {trigger.size} features; it must be float32 ({count}, {trigger.size})"
        )
    return values
