"""Put the candidates to the proof: what they do with the suspected rows, and without them."""

from dokunuki.audit.stages.proving import findings_of
from dokunuki.audit.storing import read_fit, read_record, write_record
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged

with logged(snakemake.log[0]):
    findings = findings_of(
        read_vectors(snakemake.input.vectors),
        read_record(snakemake.input.checks),
        read_fit(snakemake.input.fit, snakemake.input.detectors, snakemake.resources.device),
        read_record(snakemake.input.candidates),
        seed=snakemake.params.spec["seed"],
        threads=snakemake.threads,
        device=snakemake.resources.device,
    )
    write_record(snakemake.output.findings, findings)
