"""Plant a known attack into a copy of the feed, and audit the copy as the feed was."""

from functools import partial

from dokunuki.audit.stages.planting_canaries import canary_of
from dokunuki.audit.storing import read_record, write_record
from dokunuki.corpus.vectors import read_vectors
from dokunuki.detector import Detector
from dokunuki.job import logged
from dokunuki.surrogate.explanations import read_explanations

with logged(snakemake.log[0]):
    device = snakemake.resources.device
    canary = canary_of(
        read_vectors(snakemake.input.vectors),
        read_record(snakemake.input.ground),
        snakemake.params.canary,
        snakemake.params.spec,
        surrogate=partial(Detector.load, snakemake.input.surrogate, device=device),
        explanations=partial(read_explanations, snakemake.input.explanations),
        unpoisoned=partial(Detector.load, snakemake.input.unpoisoned, device=device),
        threads=snakemake.threads,
        device=device,
    )
    write_record(snakemake.output.canary, canary)
