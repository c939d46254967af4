"""Random streams by name: same seed and same name, same numbers, whatever else was drawn before."""

from __future__ import annotations

import hashlib

import numpy as np


def stream_seed(seed: int, *names: str | int) -> int:
    """Derive a 63-bit seed for the stream called `names` from the experiment's `seed`.

    Streams with different names are independent, so that adding an attack or a defence changes
    no number of another one.
    """
    text = "\x1f".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A numpy generator for the stream called `names`; see `stream_seed`."""
    return np.random.default_rng(stream_seed(seed, *names))
