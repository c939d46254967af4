"""Choose the longest trigger of one attack, and plant it into the most rows a cell may ask for."""

from functools import partial

from dokunuki.attacks.planting import plant
from dokunuki.attacks.poisoning import write_poison
from dokunuki.attacks.trigger import write_trigger
from dokunuki.corpus.vectors import read_vectors
from dokunuki.detector import Detector
from dokunuki.job import logged
from dokunuki.surrogate.explanations import read_explanations

with logged(snakemake.log[0]):
    trigger, poison = plant(
        read_vectors(snakemake.input.vectors),
        snakemake.params.spec,
        seed=snakemake.params.seed,
        surrogate_name=snakemake.params.surrogate["name"],
        surrogate=partial(
            Detector.load,
            snakemake.input.detector,
            device=snakemake.resources.device,
            trusted=[snakemake.params.surrogate["class"]],
        ),
        explanations=partial(read_explanations, snakemake.input.explanations),
        precision=snakemake.params.precision,
    )
    write_trigger(snakemake.output.trigger, trigger)
    write_poison(
        snakemake.output.poison,
        poison,
        vectors=snakemake.input.vectors,
        trigger=snakemake.output.trigger,
    )
