"""SHAP values of every training row that the attacker knows, under the surrogate."""

from dokunuki.corpus.vectors import read_vectors
from dokunuki.detector import Detector
from dokunuki.job import logged
from dokunuki.surrogate.explaining import explain_surrogate
from dokunuki.surrogate.explanations import write_explanations

with logged(snakemake.log[0]):
    explanations = explain_surrogate(
        Detector.load(
            snakemake.input.detector,
            device=snakemake.resources.device,
            trusted=[snakemake.params.surrogate["class"]],
        ),
        read_vectors(snakemake.input.vectors),
        **snakemake.params.spec,
        share=snakemake.params.share,
        seed=snakemake.params.seed,
        precision=snakemake.params.precision,
        explainer=snakemake.params.explainer,
    )
    write_explanations(
        snakemake.output.explanations,
        explanations,
        snakemake.params.spec,
        snakemake.params.explainer,
    )
