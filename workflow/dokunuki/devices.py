"""The processor that networks run on, and torch set so that equal seeds give equal bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dokunuki.errors import DeviceError

if TYPE_CHECKING:
    import numpy as np
    import torch

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bfloat16")
# Processors with products of bfloat16 in hardware, by torch's names.
_BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")


def resolve_device(name: str) -> torch.device:
    """The torch device for `auto` (CUDA where there is one), `cpu` or `cuda`.

    Raises DeviceError for any other name, and for `cuda` on a machine that has none.
    """
    import torch

    if name not in DEVICES:
        raise DeviceError(f"device: unknown device {name!r}; known: {', '.join(DEVICES)}")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise DeviceError(
            "device: 'cuda' was asked for, but torch sees no CUDA device on this machine; "
            "say `device: auto` or `device: cpu`"
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """The type that networks are trained in for `auto`, `float32` or `bfloat16`.

    `auto` is bfloat16 where the processor multiplies it in hardware, else float32: a property of
    the machine, never of its load. Raises DeviceError for any other name.
    """
    import torch

    if name not in PRECISIONS:
        raise DeviceError(f"precision: unknown precision {name!r}; known: {', '.join(PRECISIONS)}")
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities()
        fast = any(capabilities.get(name, False) for name in _BFLOAT16_INSTRUCTIONS)
    return torch.bfloat16 if fast else torch.float32


def prepare_torch(device: torch.device, threads: int) -> None:
    """Make torch's results depend on the seed, precision and `threads` only, process-wide.

    The number of threads decides how sums are split, so that it is set here and never left to
    the number of cores. Raises DeviceError when `threads` is below 1.
    """
    import torch

    if threads < 1:
        raise DeviceError(f"threads: {threads} is not a number of threads; it must be at least 1")
    if device.type == "cuda":
        # cuBLAS reads this when it starts; without it its results vary from run to run.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        # On the CPU all that is used here is deterministic as it is; asking for it would import
        # torch's compiler, a second per process.
        torch.use_deterministic_algorithms(True)
        # It would otherwise fill every new buffer with NaN, a cost without a use here.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_num_threads(threads)


def to_tensor(
    values: np.ndarray, device: torch.device, dtype: torch.dtype | None = None
) -> torch.Tensor:
    """Copy an array to `device`, as float32 unless told otherwise.

    The copy lies in memory that torch aligned (64 bytes). A numpy array starts at any multiple of
    16 bytes, and the products' kernels round differently from one start to another.
    """
    import torch

    tensor = torch.empty(values.shape, dtype=dtype or torch.float32)
    target: np.ndarray[Any, Any] = tensor.numpy()
    target[...] = values
    return tensor.to(device)
