"""Write the report's pages: the summary, the triggers, the configuration, the environment."""

from pathlib import Path

import yaml

from dokunuki.evaluation.metrics import read_metrics
from dokunuki.evaluation.summary import summarise
from dokunuki.figures.tables import (
    configuration_page,
    environment,
    environment_page,
    metrics_page,
    triggers_page,
)
from dokunuki.job import logged
from dokunuki.storage.files import atomic_write, read_json


def write_text(path: str, text: str) -> None:
    """Write a page, all or nothing."""
    with atomic_write(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")


with logged(snakemake.log[0]):
    table = read_metrics(snakemake.input.metrics)
    configuration = yaml.safe_dump(dict(snakemake.params.config), sort_keys=False)
    devices = ", ".join(sorted(set(table["device"])))
    write_text(snakemake.output.summary, metrics_page(summarise(table), **snakemake.params.titles))
    write_text(
        snakemake.output.triggers,
        triggers_page([read_json(path) for path in snakemake.input.triggers]),
    )
    write_text(snakemake.output.config, configuration_page(configuration))
    write_text(snakemake.output.environment, environment_page(environment(devices)))
    write_text(snakemake.output.config_yaml, configuration)
