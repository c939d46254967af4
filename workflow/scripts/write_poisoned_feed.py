"""Write training rows as an attack leaves them, as a feed to try the audit on."""

from dokunuki.attacks.poisoning import read_poison
from dokunuki.corpus.exporting import Exported, write_table
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged

with logged(snakemake.log[0]):
    vectors = read_vectors(snakemake.input.vectors)
    X, y = vectors.part("train")
    path = snakemake.input.get("poison")
    if path:
        poison = read_poison(path, vectors=snakemake.input.vectors)
        poison.cell(**snakemake.params.cell).apply(X, y)
    names = vectors.sha256[vectors.role == "train"].tolist()
    write_table(snakemake.output.feed, vectors.layout, [Exported(names, y, X)])
