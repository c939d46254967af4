"""Score an attack's triggers on the detectors trained without poison: p = 0, pure evasion."""

from dokunuki.attacks.trigger import read_trigger
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged
from dokunuki.victims.evasion import score_evasion
from dokunuki.victims.scores import write_evasion

with logged(snakemake.log[0]):
    vectors = read_vectors(snakemake.input.vectors)
    scores = score_evasion(
        vectors,
        read_trigger(snakemake.input.trigger, vectors.layout),
        snakemake.params.spec["sizes"],
        list(zip(snakemake.params.spec["detectors"], snakemake.input.detectors, strict=True)),
        device=snakemake.resources.device,
    )
    write_evasion(snakemake.output.scores, scores)
