"""Write all rows of a dataset as one Parquet file of feature vectors."""

from dokunuki.corpus.exporting import export_rows
from dokunuki.corpus.index import read_index
from dokunuki.corpus.opening import open_rows
from dokunuki.job import logged

with logged(snakemake.log[0]):
    spec = snakemake.params.spec
    export_rows(
        snakemake.output.rows,
        open_rows(spec, snakemake.input.get("store") or None),
        read_index(snakemake.input.index),
    )
