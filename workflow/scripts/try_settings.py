"""Try settings on clean rows and write the accuracies."""

from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged
from dokunuki.search.running import run_trial
from dokunuki.search.trials import write_result

with logged(snakemake.log[0]):
    result = run_trial(
        read_vectors(snakemake.input.vectors),
        snakemake.wildcards.kind,
        snakemake.params.spec,
        shortlist=snakemake.input.get("shortlist"),
        classifiers=snakemake.input.get("classifiers"),
        seed=snakemake.params.seed,
        device=snakemake.resources.device,
        threads=snakemake.params.threads,
        precision=snakemake.params.precision,
    )
    write_result(snakemake.output.result, result)
