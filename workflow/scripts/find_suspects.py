"""Ask every judge which rows of the feed it suspects, and which of them together."""

from dokunuki.audit.stages.suspecting import suspects_of
from dokunuki.audit.storing import read_fit, read_record, write_record
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged

with logged(snakemake.log[0]):
    suspects = suspects_of(
        read_vectors(snakemake.input.vectors),
        read_record(snakemake.input.checks),
        read_fit(snakemake.input.fit, snakemake.input.detectors, snakemake.resources.device),
        seed=snakemake.params.spec["seed"],
        threads=snakemake.threads,
    )
    write_record(snakemake.output.suspects, suspects)
