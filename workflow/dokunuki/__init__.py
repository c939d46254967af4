"""dokunuki: backdoor poisoning of malware detectors, and what draws the poison out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # To a type checker, what the package `audit` does when it is called.
    from dokunuki.audit.running import audit_rows as audit

    __all__ = ["audit"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    """`dokunuki.audit`, which is imported when it is asked for."""
    if name == "audit":
        return importlib.import_module("dokunuki.audit")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
