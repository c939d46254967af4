"""Stands in for the reader of programs: some files crash it, and some make it hang."""

from __future__ import annotations

import os
import signal
import time

from dokunuki.corpus.extract.folder import read_program


def read_roughly(path, **settings):
    """As `read_program`, but where the file's name says what happens."""
    if "segfault" in path:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "exit" in path:
        os._exit(3)
    if "hang" in path:
        time.sleep(600)
    return read_program(path, **settings)


def echo_roughly(task):
    """The task itself, unless it says otherwise."""
    read_roughly_said = {"crash": lambda: os._exit(4), "hang": lambda: time.sleep(600)}
    read_roughly_said.get(task.split()[0], lambda: None)()
    return task.upper()
