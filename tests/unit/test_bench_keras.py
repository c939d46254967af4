"""The precisions that the benchmark beside Keras times."""

from __future__ import annotations

import pytest
import torch

from bench.keras import precisions


@pytest.mark.parametrize(
    ("capabilities", "timed"),
    [
        ({}, ["float32"]),
        ({"avx2": True, "amx_bf16": False, "avx512_bf16": False}, ["float32"]),
        ({"avx512_bf16": True}, ["float32", "bfloat16"]),
        ({"amx_bf16": True}, ["float32", "bfloat16"]),
    ],
)
def test_bfloat16_is_timed_where_the_processor_has_instructions_for_it(
    capabilities: dict[str, bool], timed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Emulated, an epoch takes so long that the benchmark does not end."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert precisions() == timed
