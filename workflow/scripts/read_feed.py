"""Turn all labelled rows of a dataset, and none besides, into feature vectors."""

from dokunuki.audit.stages.reading import whole_feed
from dokunuki.corpus.index import read_index
from dokunuki.corpus.opening import open_rows
from dokunuki.corpus.sampling import write_split
from dokunuki.corpus.vectors import write_split_vectors
from dokunuki.job import logged

with logged(snakemake.log[0]):
    spec = snakemake.params.spec
    index = read_index(snakemake.input.index)
    release = open_rows(spec, snakemake.input.get("store") or None)
    rows = whole_feed(index, release)
    write_split(snakemake.output.rows, rows)
    write_split_vectors(
        snakemake.output.vectors,
        release,
        index,
        rows,
        vectoriser=spec["vectoriser"],
        dataset=snakemake.wildcards.dataset,
        corpus=spec["kind"],
    )
