"""Named arrays and JSON settings in one safetensors file with a checksum."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.errors import damaged_file
from dokunuki.storage.files import atomic_write
from dokunuki.storage.seals import UNSEALED, check_seal, seal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SETTINGS_KEY = "settings"


def write_tensors(
    path: str | Path, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]
) -> None:
    """Write named arrays and JSON settings, atomically; equal content gives equal bytes."""
    from safetensors.numpy import save_file

    contiguous = {name: np.array(values, order="C") for name, values in arrays.items()}
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False)
    with atomic_write(path) as temporary:
        # One metadata key only: safetensors writes several in an order that varies.
        save_file(contiguous, temporary, metadata={_SETTINGS_KEY: f"{UNSEALED} {text}"})
        seal(temporary)


def read_tensors(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and settings that `write_tensors` wrote; DataFileError for any other file."""
    from safetensors import SafetensorError, safe_open

    check_seal(path)
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            _, _, text = file.metadata()[_SETTINGS_KEY].partition(" ")
            return arrays, json.loads(text)
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise damaged_file(path, f"not written by this version ({error})") from error
