"""The audit: whether a feed holds a backdoor, proved by what it does.

The package can be called: `dokunuki.audit(X, y, layout)` is `with_canaries.audit_with_canaries`. A
module's class may be replaced by a subclass of ModuleType (the language reference, "Customizing
module attribute access"). The code of an audit is imported only by the call.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from dokunuki.audit.results import AuditResult
    from dokunuki.corpus.layout import FeatureLayout


class _Audit(ModuleType):
    def __call__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        layout: FeatureLayout,
        *,
        detector: str = "lightgbm",
        seed: int = 0,
        threads: int = 1,
        canaries: str = "none",
    ) -> AuditResult:
        """As `dokunuki.audit.with_canaries.audit_with_canaries`."""
        # By name: the workflow's stages must not depend on what runs all of them, nor be done
        # again for an edit of another one.
        whole = importlib.import_module("dokunuki.audit.with_canaries")
        result: AuditResult = whole.audit_with_canaries(
            X, y, layout, detector=detector, seed=seed, threads=threads, canaries=canaries
        )
        return result


sys.modules[__name__].__class__ = _Audit
