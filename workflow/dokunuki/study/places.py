"""Where the workflow's own files lie: in a checkout beside the library, in a wheel inside it."""

from __future__ import annotations

from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2]
"""The folder that holds the packages: `workflow` of a checkout, or an environment's packages."""

_IN_WHEEL = LIBRARY / "dokunuki" / "_workflow"

IS_INSTALLED = _IN_WHEEL.is_dir()
"""Whether this library came as a wheel, among the other packages of its environment."""

ROOT = _IN_WHEEL if IS_INSTALLED else LIBRARY.parent
"""The folder of the Snakefile, `config.yaml`, `profiles` and `envs`."""

WORKFLOW = ROOT / "workflow"
"""The folder of rules, scripts, the catalogue, presets, schemas and captions."""

PACKAGES = ("dokunuki", "simember")
"""The packages of the wheel."""
