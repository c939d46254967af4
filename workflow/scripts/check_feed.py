"""Count and list what is odd with a feed, before anything is fitted."""

from dokunuki.audit.stages.checking import checks_of
from dokunuki.audit.storing import write_record
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged

with logged(snakemake.log[0]):
    write_record(snakemake.output.checks, checks_of(read_vectors(snakemake.input.vectors)))
