import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from dokunuki.errors import DeviceError
from dokunuki.networks.devices import (
    check_device,
    prepare_torch,
    resolve_device,
    resolve_precision,
    shared_tensor,
    to_tensor,
)


def test_cpu_is_always_there():
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_cuda_where_there_is_one(monkeypatch, there, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert check_device("auto") == expected


CLAIM = """
import sys
from types import SimpleNamespace

import torch

from dokunuki.networks import devices

torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 2
torch.cuda.get_device_properties = lambda number: SimpleNamespace(uuid=f"GPU-{number}")
torch.cuda.set_device = lambda number: print(number, flush=True)
devices._POLL_SECONDS = 0.05
for _ in range(2):  # asking again takes no second GPU
    assert devices.resolve_device("cuda") == torch.device("cuda")
sys.stdin.read()
"""


def test_every_process_has_a_gpu_of_its_own(tmp_path):
    def process():
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        command = [sys.executable, "-c", CLAIM]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    first, second = process(), process()
    taken = {first.stdout.readline(), second.stdout.readline()}
    assert taken == {"0\n", "1\n"}
    third = process()
    with pytest.raises(subprocess.TimeoutExpired):
        third.wait(timeout=4)
    # However a process ends, its GPU is free again.
    freed = first.stdout.readline()
    first.kill()
    assert third.stdout.readline() == freed
    for each in (first, second, third):
        each.stdin.close()
        each.wait(timeout=600)


def test_cuda_asked_for_and_absent_is_an_error_with_the_mend(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"'cuda' was asked for.*device: auto"):
        resolve_device("cuda")


def test_unknown_device_is_an_error():
    with pytest.raises(DeviceError, match="unknown device 'gpu'; known: auto, cpu, cuda"):
        resolve_device("gpu")


@pytest.mark.parametrize(
    ("instructions", "vendor", "expected"),
    [
        ({"amx_bf16": True}, "GenuineIntel", torch.bfloat16),
        ({"avx512_bf16": True, "amx_bf16": False}, "GenuineIntel", torch.float32),
        ({"avx512_bf16": True}, "AuthenticAMD", torch.bfloat16),
        ({"avx512_bf16": True}, "", torch.float32),
        ({"avx512_f": True, "avx512_bf16": False}, "AuthenticAMD", torch.float32),
        ({}, "GenuineIntel", torch.float32),
    ],
)
def test_auto_takes_bfloat16_where_it_is_faster(monkeypatch, instructions, vendor, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    monkeypatch.setattr("dokunuki.networks.devices.processor_vendor", lambda: vendor)
    assert resolve_precision("auto", torch.device("cpu")) == expected
    assert resolve_precision("float32", torch.device("cpu")) == torch.float32
    assert resolve_precision("bfloat16", torch.device("cpu")) == torch.bfloat16


@pytest.mark.parametrize(
    ("instructions", "name", "warns"),
    [
        ({}, "bfloat16", True),
        ({"avx2": True, "avx512_bf16": False}, "bfloat16", True),
        ({}, "auto", False),
        ({}, "float32", False),
        ({"avx512_bf16": True}, "bfloat16", False),
        ({"amx_bf16": True}, "bfloat16", False),
    ],
)
def test_bfloat16_that_has_to_be_emulated_is_told(monkeypatch, caplog, instructions, name, warns):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    with caplog.at_level("WARNING", logger="dokunuki"):
        resolve_precision(name, torch.device("cpu"))
    assert [message.startswith("precision: ") for message in caplog.messages] == [True] * warns


def test_unknown_precision_is_an_error():
    with pytest.raises(DeviceError, match="unknown precision 'fast'; known: auto, float32"):
        resolve_precision("fast", torch.device("cpu"))


def test_threads_are_set_and_cuda_is_deterministic(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", asked.append)
    prepare_torch(torch.device("cpu"), 1)
    assert torch.get_num_threads() == 1
    assert not asked
    prepare_torch(torch.device("cuda"), 1)
    assert asked == [True]


def test_cuda_gets_a_workspace_of_fixed_size(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is put back afterwards
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    prepare_torch(torch.device("cuda"), 1)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_no_threads_is_an_error():
    with pytest.raises(DeviceError, match="at least 1"):
        prepare_torch(torch.device("cpu"), 0)


def test_tensors_are_aligned_copies_whatever_the_array_is():
    buffer = np.arange(101, dtype=np.float32)
    for array in (buffer[1:], buffer[::2], buffer[1:].astype(np.float64)):
        tensor = to_tensor(array, torch.device("cpu"))
        assert tensor.data_ptr() % 64 == 0
        assert tensor.dtype == torch.float32
        np.testing.assert_array_equal(tensor.numpy(), array)
        tensor += 1
        assert array[0] != tensor[0]


def test_rows_to_gather_from_are_shared_where_their_memory_will_do():
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert shared_tensor(rows, torch.device("cpu")).data_ptr() == rows.ctypes.data
    for other in (rows[:, ::2], rows.astype(np.float64), rows[::-1], np.broadcast_to(rows, (4, 3))):
        tensor = shared_tensor(other, torch.device("cpu"))
        assert tensor.data_ptr() % 64 == 0
        np.testing.assert_array_equal(tensor.numpy(), other)
