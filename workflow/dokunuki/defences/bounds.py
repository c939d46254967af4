"""Bounds on what a filter can do: the poison removed exactly, and as many rows at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dokunuki.defences.filtering import GOODWARE, Filter
from dokunuki.errors import DokunukiError
from dokunuki.seeding import generator


@dataclass(eq=False, repr=False)
class _ToldThePoison(Filter):
    """A filter that `give_poison` told, just before, which rows are poisoned."""

    seed: int = 0
    threads: int = 1

    def give_poison(self, mask: np.ndarray) -> None:
        """Take the bool mask (n,) of the training rows, True for the poisoned ones."""
        self._poison = np.asarray(mask, dtype=bool)

    def _told(self, rows: int) -> np.ndarray:
        poison = getattr(self, "_poison", np.empty(0, dtype=bool))
        if len(poison) != rows:
            raise DokunukiError(
                f"{type(self).__name__} was given a poison mask of {len(poison)} rows, but there "
                f"are {rows} rows: call give_poison with the mask of these rows first"
            )
        return poison


class OracleRemoval(_ToldThePoison):
    """Removes exactly the poisoned rows: no filter does better."""

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._told(len(X))


class RandomRemoval(_ToldThePoison):
    """Removes as many rows labelled goodware as there is poison, at random: none should do worse.

    The poison is among the rows that are drawn from.
    """

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        goodware = np.flatnonzero(y == GOODWARE)
        count = min(int(self._told(len(X)).sum()), len(goodware))
        drawn = generator(self.seed, "random removal").choice(goodware, count, replace=False)
        suspicious = np.zeros(len(X), dtype=bool)
        suspicious[drawn] = True
        return suspicious
