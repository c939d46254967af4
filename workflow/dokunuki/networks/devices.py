"""The processor that networks run on, and torch set so that equal seeds give equal bytes."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dokunuki.errors import DeviceError
from dokunuki.progress import logger

if TYPE_CHECKING:
    import numpy as np
    import torch

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bfloat16")
# Instructions by torch's names, and the processors on which they make bfloat16 the faster type. In
# AVX-512 BF16 EmberNN takes half as long as in float32 on AMD, and 1.7 times as long on Intel.
_ANY = ""
_FAST_BFLOAT16 = {"amx_bf16": _ANY, "avx512_bf16": "AuthenticAMD"}

_POLL_SECONDS = 1.0


def resolve_device(name: str) -> torch.device:
    """The torch device for `auto` (CUDA where there is one), `cpu` or `cuda`.

    Of a machine's GPUs, a process takes one that no other process of ours has, and keeps it to its
    end; where all are taken it waits. Raises DeviceError as `check_device` does.
    """
    import torch

    kind = check_device(name)
    if kind == "cuda":
        torch.cuda.set_device(_claimed_gpu())
    return torch.device(kind)


def check_device(name: str) -> str:
    """The kind of device, cpu or cuda, that `name` stands for on this machine.

    Raises DeviceError for an unknown name, and for `cuda` on a machine that has none.
    """
    import torch

    if name not in DEVICES:
        raise DeviceError(f"device: unknown device {name!r}; known: {', '.join(DEVICES)}")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise DeviceError(
            "device: 'cuda' was asked for, but torch finds no CUDA device on this machine; "
            "set `device: auto` or `device: cpu`"
        )
    return "cuda" if available and name != "cpu" else "cpu"


@cache
def _claimed_gpu() -> int:
    """The number of the GPU that is this process's own."""
    import torch

    # By its unique id: a cluster numbers the GPUs of each job from 0.
    names = [
        str(torch.cuda.get_device_properties(number).uuid)
        for number in range(torch.cuda.device_count())
    ]
    folder = Path(tempfile.gettempdir()) / f"dokunuki-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    waited = False
    while True:
        for number, name in enumerate(names):
            if _lock(folder / name):
                return number
        if not waited:
            logger.info("all %d GPUs are taken by other jobs; waiting for one", len(names))
            waited = True
        time.sleep(_POLL_SECONDS)


# Open as long as the process lives: its end, however it comes, frees the GPU.
_held_locks: list[IO[str]] = []


def _lock(path: Path) -> bool:
    """Whether the lock could be had at once; it is then held to the end of the process."""
    file = path.open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _held_locks.append(file)
    return True


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """The type that networks are trained in for `auto`, `float32` or `bfloat16`.

    `auto` is bfloat16 where the processor is faster in it (AMX, AVX-512 BF16 of AMD, GPUs), else
    float32: a property of the machine, never of its load. Warns where bfloat16 is asked of a
    processor that has to emulate it. Raises DeviceError for any other name.
    """
    import torch

    if name not in PRECISIONS:
        raise DeviceError(f"precision: unknown precision {name!r}; known: {', '.join(PRECISIONS)}")
    if name == "bfloat16" and device.type == "cpu" and not has_bfloat16_instructions():
        logger.warning(
            "precision: this processor has no instructions for bfloat16, and is many times slower "
            "in it than in float32, which `precision: auto` takes here"
        )
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = any(
            processor_vendor().startswith(_FAST_BFLOAT16[name]) for name in _bfloat16_instructions()
        )
    return torch.bfloat16 if fast else torch.float32


def has_bfloat16_instructions() -> bool:
    """Whether the processor multiplies in bfloat16 by instructions of its own, fast or slow."""
    return bool(_bfloat16_instructions())


def _bfloat16_instructions() -> list[str]:
    import torch

    capabilities = torch.cpu.get_capabilities()
    return [name for name in _FAST_BFLOAT16 if capabilities.get(name, False)]


@cache
def processor_vendor() -> str:
    """The vendor as Linux knows it, e.g. AuthenticAMD; empty where it is not told."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if "vendor_id" in line), "")


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


def shared_tensor(values: np.ndarray, device: torch.device) -> torch.Tensor:
    """An array as float32 on `device`; where its memory will do, without a copy on the CPU.

    For rows that are gathered into batches, not for what enters a product: see `to_tensor`.
    """
    import torch

    usable = values.dtype == "float32" and values.flags.c_contiguous and values.flags.writeable
    return torch.from_numpy(values).to(device) if usable else to_tensor(values, device)
