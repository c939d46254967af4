"""Plant a trigger of N features into p percent of the training rows."""

from dokunuki.attacks.poisoning import plant_poison, write_poison
from dokunuki.attacks.trigger import read_trigger
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged
from dokunuki.parts import build

with logged(snakemake.log[0]):
    spec = snakemake.params.spec
    attack = build(spec["attack"]["class"], spec["attack"]["params"])
    vectors = read_vectors(snakemake.input.vectors)
    poison = plant_poison(
        vectors.rows("train"),
        vectors.labels("train"),
        read_trigger(snakemake.input.trigger).prefix(spec["size"]),
        spec["rate"],
        poisoned_class=attack.poisoned_class,
        label_flip=attack.label_flip,
        seed=int(snakemake.wildcards.seed),
    )
    write_poison(
        snakemake.output.poison,
        poison,
        vectors=snakemake.input.vectors,
        trigger=snakemake.input.trigger,
    )
