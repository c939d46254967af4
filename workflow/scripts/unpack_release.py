"""Read a packed release once, and keep its raw rows where each can be read by itself."""

from pathlib import Path

from dokunuki.corpus.containers import Containers
from dokunuki.corpus.row_store import write_store
from dokunuki.job import logged

with logged(snakemake.log[0]):
    spec = snakemake.params.spec
    files = [Path(file) for file in snakemake.input]
    containers = Containers(Path(spec["path"]).expanduser(), files)
    write_store(snakemake.output.rows, containers, spec.get("file_types"))
