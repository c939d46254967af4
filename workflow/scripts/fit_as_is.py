"""Fit the detector as the feed makes it, fold by fold."""

from dokunuki.audit.stages.fitting import fit_of
from dokunuki.audit.storing import read_record, write_fit
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged

with logged(snakemake.log[0]):
    fit = fit_of(
        read_vectors(snakemake.input.vectors),
        read_record(snakemake.input.checks),
        snakemake.params.spec["detector"],
        seed=snakemake.params.spec["seed"],
        threads=snakemake.threads,
        device=snakemake.resources.device,
    )
    write_fit(snakemake.output.fit, snakemake.output.detectors, fit)
