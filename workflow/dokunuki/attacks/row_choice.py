"""Which training rows an attack poisons: at random, by its own order, or near the other class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.attacks.protocol import ChoosesRows
from dokunuki.attacks.selection import largest_first, require_finite
from dokunuki.errors import AttackError, ConfigError
from dokunuki.seeding import generator
from dokunuki.storage.matrix import only_rows
from dokunuki.storage.row_blocks import row_blocks

if TYPE_CHECKING:
    from dokunuki.attacks.protocol import Attack, AttackerKnowledge
    from dokunuki.storage.matrix import Matrix

NEAR_MALWARE = "near_malware"
_RULES = ("attack", "random", NEAR_MALWARE)


def shuffled_rows(y: np.ndarray, poisoned_class: int, seed: int) -> np.ndarray:
    """Positions of the rows labelled `poisoned_class`, int64 (c,), in an order of chance.

    It depends on `seed` and the class only, so that all attacks that take rows at random poison
    the same ones, which makes them comparable in pairs.
    """
    stream = generator(seed, "poison", poisoned_class)
    return stream.permutation(np.flatnonzero(y == poisoned_class)).astype(np.int64)


def choose_rows(
    rule: str,
    attack: Attack,
    knowledge: AttackerKnowledge,
    X: Matrix,
    y: np.ndarray,
) -> np.ndarray:
    """All training rows of the attack's class, most preferred first: positions, int64 (c,).

    `X` raw, float32 (n, width), and `y` (n,) are the whole training part. The `rule` is one of
    three. `attack` takes the attack's own order, and a random one where it has none. `random` takes
    a random one. `near_malware` takes goodware by falling malware score of the surrogate, and
    malware by rising. Ties are broken at random, by the knowledge's seed. Raises ConfigError for
    another rule, AttackError when the surrogate is missing or the attack's order does not hold each
    candidate once.
    """
    if rule not in _RULES:
        raise ConfigError(f"rows: unknown rule {rule!r}; known: {', '.join(_RULES)}")
    rows = shuffled_rows(y, attack.poisoned_class, knowledge.seed)
    order = np.arange(len(rows))
    if rule == NEAR_MALWARE:
        order = _near_the_other_class(attack, knowledge, X, rows)
    elif rule == "attack" and isinstance(attack, ChoosesRows):
        order = attack.poison_order(knowledge, only_rows(X, rows))
        if not np.array_equal(np.sort(order), np.arange(len(rows))):
            raise AttackError(
                f"{type(attack).__name__}.poison_order must hold each of the {len(rows)} "
                "candidates' positions once"
            )
    chosen: np.ndarray = rows[order]
    return chosen


def _near_the_other_class(
    attack: Attack, knowledge: AttackerKnowledge, X: Matrix, rows: np.ndarray
) -> np.ndarray:
    surrogate = knowledge.required_surrogate()
    # In the order of the file: blocks of shuffled rows would each read the whole file.
    by_position = np.argsort(rows)
    stored = only_rows(X, rows[by_position])
    scores = np.empty(len(rows))
    for block in row_blocks(len(rows)):
        scores[by_position[block]] = surrogate.malware_scores(stored[block])
    require_finite(scores, "the surrogate's scores")
    return largest_first(scores if attack.poisoned_class == 0 else -scores)
