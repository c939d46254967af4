"""Turn the drawn raw rows, and only them, into feature vectors."""

from dokunuki.corpus.index import read_index
from dokunuki.corpus.release import open_release
from dokunuki.corpus.sampling import read_split
from dokunuki.corpus.vectors import vectorise_split, write_vectors
from dokunuki.job import logged

# Worker processes import this file again; only the first one writes.
if __name__ == "__main__":
    with logged(snakemake.log[0]):
        spec = snakemake.params.spec
        vectors = vectorise_split(
            open_release(spec["path"], spec["version"]),
            read_index(snakemake.input.index),
            read_split(snakemake.input.split),
            vectoriser=spec["vectoriser"],
            dataset=snakemake.wildcards.dataset,
            corpus=spec["kind"],
            workers=snakemake.threads,
        )
        write_vectors(snakemake.output.vectors, vectors)
