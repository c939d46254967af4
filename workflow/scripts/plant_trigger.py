"""Choose the longest trigger of one attack, and plant it into the most rows a cell may ask for."""

from dataclasses import replace

from dokunuki.attacks.poisoning import plant_poison, write_poison
from dokunuki.attacks.protocol import AttackerKnowledge, MasksTrigger
from dokunuki.attacks.row_choice import NEAR_MALWARE, choose_rows
from dokunuki.attacks.trigger import write_trigger
from dokunuki.corpus.vectors import read_vectors
from dokunuki.detector import Detector
from dokunuki.job import logged
from dokunuki.parts.building import build
from dokunuki.storage.matrix import only_rows
from dokunuki.surrogate.explanations import read_explanations
from dokunuki.surrogate.share import known_rows

with logged(snakemake.log[0]):
    spec, seed = snakemake.params.spec, snakemake.params.seed
    attack = build(
        spec["attack"]["class"], spec["attack"]["params"], precision=snakemake.params.precision
    )
    vectors = read_vectors(snakemake.input.vectors)
    X, y = vectors.rows("train"), vectors.labels("train")
    known = known_rows(y, spec["share"], seed)
    knowledge = AttackerKnowledge(
        X=only_rows(X, known),
        y=y[known],
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
            if attack.needs_surrogate or spec["rows"] == NEAR_MALWARE
            else None
        ),
        seed=seed,
        name=snakemake.params.surrogate["name"],
        dataset=snakemake.wildcards.dataset,
    )
    size = min(spec["size"], attack.longest(vectors.layout))
    trigger = attack.select_trigger(knowledge, size)
    write_trigger(snakemake.output.trigger, replace(trigger, attack=snakemake.wildcards.attack))
    poison = plant_poison(
        y,
        trigger,
        spec["rate"],
        poisoned_class=attack.poisoned_class,
        label_flip=attack.label_flip,
        seed=seed,
        rows=choose_rows(spec["rows"], attack, knowledge, X, y),
        masks=(attack, X) if isinstance(attack, MasksTrigger) else None,
    )
    write_poison(
        snakemake.output.poison,
        poison,
        vectors=snakemake.input.vectors,
        trigger=snakemake.output.trigger,
    )
