"""Running the workflow's own files through Snakemake, in the current folder."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

import yaml

from dokunuki.errors import ConfigError
from dokunuki.study.catalogue import nearest
from dokunuki.study.places import IS_INSTALLED, ROOT, WORKFLOW

SLURM = "slurm"
"""The profile that comes with the workflow and is asked for by name."""


def preset_file(name: str) -> str:
    """The overlay of a preset; raises ConfigError for a name that none has."""
    presets = {path.stem: str(path) for path in (WORKFLOW / "presets").glob("*.yaml")}
    if name not in presets:
        raise ConfigError(f"--preset {name}: no such preset; {nearest(name, presets)}")
    return presets[name]


def snakemake_arguments(
    arguments: Sequence[str] = (),
    *,
    cores: str | None = None,
    profile: str | None = None,
    configfiles: Sequence[str] = (),
    config: Sequence[str] = (),
    targets: Sequence[str] = (),
) -> list[str]:
    """Snakemake's command line for the workflow's Snakefile.

    `arguments` are handed on as they are. `configfiles` are overlays, of which a later one wins,
    `config` single keys (`key=value`) that win over all of them. `cores` is a number or "all", and
    left to the profile where one is named. The profile "slurm" is the workflow's own.
    Raises ConfigError where the profile's executor is not installed, and for conda environments in
    an installed dokunuki, since they hold none.
    """
    if IS_INSTALLED and _asks_for_conda(arguments):
        raise ConfigError(
            "conda: the workflow's conda environments need a checkout of dokunuki, and this one is "
            "installed as a package; leave the option out, or run snakemake in a checkout"
        )
    made = ["--snakefile", str(ROOT / "Snakefile")]
    own = "default"
    if profile == SLURM:
        if find_spec("snakemake_executor_plugin_slurm") is None:
            raise ConfigError(
                "--profile slurm: Snakemake's plugin for SLURM is not installed; run `pip install "
                "'dokunuki[slurm]'`"
            )
        made += ["--profile", str(ROOT / "profiles" / "default")]
        own = SLURM
    elif profile is not None:
        made += ["--profile", profile]
    if not _has(arguments, "--workflow-profile"):
        # Named, since Snakemake would first take a folder `default` of the user's.
        made += ["--workflow-profile", str(ROOT / "profiles" / own)]
    if cores is not None or profile is None:
        made += ["--cores", cores or "all"]
    if profile is None and (gpus := count_gpus()) and not _has(arguments, "--resources", "--res"):
        # No more training jobs at a time than there are GPUs.
        made += ["--resources", f"gpu={gpus}"]
    made += arguments
    if configfiles:
        made += ["--configfile", *configfiles]
    if config:
        made += ["--config", *config]
    return [*made, "--", *targets] if targets else made


def in_one_line(value: Any) -> str:  # noqa: ANN401 - whatever a configuration holds
    """A value of the configuration as `--config` takes it."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
    return text.strip()


def run_snakemake(arguments: Sequence[str]) -> bool:
    """Run Snakemake in this process, so that it gets this process' signals; whether it succeeded.

    It prints its own errors.
    """
    from snakemake.cli import main

    try:
        main(list(arguments))
    except SystemExit as end:
        return not end.code
    return True


def count_gpus() -> int:
    """How many GPUs NVIDIA's driver lists; no driver lists none."""
    with suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=60
        )
        return sum(line.startswith("GPU") for line in listed.stdout.splitlines())
    return 0


def _has(arguments: Sequence[str], *options: str) -> bool:
    return any(argument.partition("=")[0] in options for argument in arguments)


def _asks_for_conda(arguments: Sequence[str]) -> bool:
    return any(
        argument in ("--use-conda", "conda") or argument.endswith("=conda")
        for argument in arguments
    )
