"""Draw the rows of one seed and their roles: train, test, validation malware."""

from dokunuki.corpus.index import read_index
from dokunuki.corpus.sampling import draw_sample, write_split
from dokunuki.job import logged

with logged(snakemake.log[0]):
    split = draw_sample(
        read_index(snakemake.input.index),
        **snakemake.params.spec,
        seed=snakemake.params.seed,
    )
    write_split(snakemake.output.split, split)
