"""Reach the verdict, take out what is proved, and fit the detector on what is left."""

from dokunuki.audit.repairing import purify_feed
from dokunuki.audit.storing import read_fit, read_record, write_record
from dokunuki.corpus.sampling import read_split
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged

with logged(snakemake.log[0]):
    device = snakemake.resources.device
    result, repair = purify_feed(
        read_vectors(snakemake.input.vectors),
        read_split(snakemake.input.rows),
        read_record(snakemake.input.checks),
        read_fit(snakemake.input.fit, snakemake.input.detectors, device),
        read_record(snakemake.input.suspects),
        read_record(snakemake.input.findings),
        snakemake.params.spec,
        threads=snakemake.threads,
        device=device,
        feed=snakemake.output.feed,
        folder=snakemake.output.detector,
    )
    write_record(snakemake.output.result, result)
    write_record(snakemake.output.repair, repair)
