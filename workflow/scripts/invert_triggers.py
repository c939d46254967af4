"""Go from rows that are suspected together to the values that they share."""

from dokunuki.audit.stages.inverting import candidates_of
from dokunuki.audit.storing import read_record, write_record
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged

with logged(snakemake.log[0]):
    candidates = candidates_of(
        read_vectors(snakemake.input.vectors),
        read_record(snakemake.input.checks),
        read_record(snakemake.input.suspects),
        seed=snakemake.params.seed,
    )
    write_record(snakemake.output.candidates, candidates)
