"""Choose the rows that canaries are planted into, and train the attacker's model of them."""

from dokunuki.audit.stages.preparing_canaries import canary_ground, write_attacker
from dokunuki.audit.storing import read_record, write_record
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged

with logged(snakemake.log[0]):
    ground, attacker = canary_ground(
        read_vectors(snakemake.input.vectors),
        read_record(snakemake.input.checks),
        read_record(snakemake.input.fit),
        read_record(snakemake.input.findings),
        snakemake.params.spec,
        device=snakemake.resources.device,
    )
    write_record(snakemake.output.ground, ground)
    write_attacker(
        attacker,
        surrogate=snakemake.output.surrogate,
        explanations=snakemake.output.explanations,
        unpoisoned=snakemake.output.unpoisoned,
    )
