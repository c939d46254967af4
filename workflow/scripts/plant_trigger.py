"""Choose the longest trigger of one attack, and plant it into the most rows a cell may ask for."""

from dataclasses import replace

from dokunuki.attacks.explanations import read_explanations
from dokunuki.attacks.poisoning import plant_poison, write_poison
from dokunuki.attacks.protocol import AttackerKnowledge
from dokunuki.attacks.trigger import write_trigger
from dokunuki.corpus.vectors import read_vectors
from dokunuki.detector import Detector
from dokunuki.job import logged
from dokunuki.parts import build

with logged(snakemake.log[0]):
    spec = snakemake.params.spec["attack"]
    attack = build(spec["class"], spec["params"])
    seed = int(snakemake.wildcards.seed)
    vectors = read_vectors(snakemake.input.vectors)
    knowledge = AttackerKnowledge(
        X=vectors.rows("train"),
        y=vectors.labels("train"),
        layout=vectors.layout,
        explanations=(
            read_explanations(snakemake.input.explanations) if attack.needs_explanations else None
        ),
        surrogate=(
            Detector.load(
                snakemake.input.detector,
                device=snakemake.resources.device,
                trusted=[snakemake.params.surrogate["class"]],
            )
            if attack.needs_surrogate
            else None
        ),
        seed=seed,
        name=snakemake.params.surrogate["name"],
        dataset=snakemake.wildcards.dataset,
    )
    size = min(snakemake.params.spec["size"], attack.longest(vectors.layout))
    trigger = attack.select_trigger(knowledge, size)
    write_trigger(snakemake.output.trigger, replace(trigger, attack=snakemake.wildcards.attack))
    poison = plant_poison(
        knowledge.y,
        trigger,
        snakemake.params.spec["rate"],
        poisoned_class=attack.poisoned_class,
        label_flip=attack.label_flip,
        seed=seed,
    )
    write_poison(
        snakemake.output.poison,
        poison,
        vectors=snakemake.input.vectors,
        trigger=snakemake.output.trigger,
    )
