"""Write the audit's answer: the report, the verdict, the suspects and the triggers."""

from dataclasses import replace
from pathlib import Path

from dokunuki.audit.answering import facts_of
from dokunuki.audit.reporting import write_audit
from dokunuki.audit.storing import read_record
from dokunuki.corpus.sampling import read_split
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged
from dokunuki.storage.files import read_json

with logged(snakemake.log[0]):
    canaries = tuple(read_record(path) for path in snakemake.input.get("canaries", ()))
    result = replace(read_record(snakemake.input.result), canaries=canaries or None)
    facts = facts_of(
        read_vectors(snakemake.input.vectors),
        read_split(snakemake.input.rows),
        read_record(snakemake.input.repair),
        result,
        title=snakemake.params.title,
        scan=read_json(snakemake.input.scan),
    )
    write_audit(Path(snakemake.output[0]).parent, result, facts)
