"""The wheel holds the workflow's files too, as they lie here, in the folder dokunuki/_workflow.

All else about the package stands in pyproject.toml. An editable install finds them in the checkout.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FILES = ("Snakefile", "config.yaml", "envs", "profiles", "workflow")
# Packages of their own in the wheel, and what no run needs.
LEFT_OUT = shutil.ignore_patterns(
    "dokunuki", "simember", "__pycache__", "*.egg-info", "Dockerfile", ".*"
)


class BuildWithWorkflow(build_py):
    """Copies the packages and, where they are for a wheel, the workflow."""

    def run(self) -> None:
        """Build as setuptools does, then add the workflow's files."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "dokunuki", "_workflow")
        # Of an earlier build there may be files that are gone here.
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in FILES:
            if Path(name).is_dir():
                shutil.copytree(name, target / name, ignore=LEFT_OUT)
            else:
                shutil.copyfile(name, target / name)


setup(cmdclass={"build_py": BuildWithWorkflow})
