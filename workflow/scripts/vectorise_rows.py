"""Turn the drawn raw rows, and only them, into feature vectors."""

from dokunuki.corpus.index import read_index
from dokunuki.corpus.opening import open_rows
from dokunuki.corpus.sampling import read_split
from dokunuki.corpus.vectors import write_split_vectors
from dokunuki.job import logged

with logged(snakemake.log[0]):
    spec = snakemake.params.spec
    write_split_vectors(
        snakemake.output.vectors,
        open_rows(spec, snakemake.input.get("store") or None),
        read_index(snakemake.input.index),
        read_split(snakemake.input.split),
        vectoriser=spec["vectoriser"],
        dataset=snakemake.wildcards.dataset,
        corpus=spec["kind"],
    )
