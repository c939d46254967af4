"""What tests of the study share."""

from __future__ import annotations

import pytest
import yaml

from checkout import REPOSITORY, SETTABLE
from dokunuki.study.configuration import load_config


@pytest.fixture
def configured(tmp_path):
    """A function: the configuration with changes to its sections."""
    raw = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    raw["datasets"]["ember"]["path"] = str(tmp_path)
    raw["grid"] |= SETTABLE

    def load(**sections):
        for section, changes in sections.items():
            raw[section] = {**raw.get(section, {}), **changes}
        return load_config(raw, REPOSITORY / "workflow")

    return load
