"""Download a published EMBER archive, resumable, and check its sha256."""

from dokunuki.corpus.fetch import fetch_release
from dokunuki.job import logged

with logged(snakemake.log[0]):
    fetch_release(snakemake.wildcards.release, snakemake.output.archive)
