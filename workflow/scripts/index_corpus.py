"""Scan a release once: labels, digests and places of all rows, duplicates and bad rows."""

from dokunuki.corpus.extract.listing import read_extraction
from dokunuki.corpus.index import build_index, write_index
from dokunuki.corpus.release import open_release
from dokunuki.job import logged
from dokunuki.storage.files import write_json

with logged(snakemake.log[0]):
    spec = snakemake.params.spec
    store = snakemake.input.get("store") or None
    release = open_release(spec["path"], spec["version"], spec.get("file_types"), store)
    index, report = build_index(release, bad_rows=spec["bad_rows"])
    write_index(snakemake.output.index, index)
    write_json(snakemake.output.report, report | read_extraction(spec["path"]))
