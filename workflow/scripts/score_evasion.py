"""Score the trigger on the reference detector: p = 0, pure evasion."""

from dokunuki.attacks.trigger import read_trigger
from dokunuki.corpus.vectors import read_vectors
from dokunuki.evaluation.scores import write_scores
from dokunuki.evaluation.timing import write_timing
from dokunuki.job import logged
from dokunuki.victims import Compute, score_evasion

with logged(snakemake.log[0]):
    scores, timing = score_evasion(
        read_vectors(snakemake.input.vectors),
        read_trigger(snakemake.input.trigger).prefix(snakemake.params.size),
        snakemake.params.spec,
        snakemake.input.reference,
        compute=Compute(snakemake.resources.device, snakemake.params.threads),
    )
    write_scores(snakemake.output.scores, scores)
    write_timing(snakemake.output.timing, timing)
