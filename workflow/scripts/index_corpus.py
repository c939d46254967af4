"""Scan a release once: labels, digests and places of all rows, duplicates and bad rows."""

from dokunuki.job import logged

# Worker processes import this file again; only the first one scans.
if __name__ == "__main__":
    from dokunuki.corpus.extract.listing import read_extraction
    from dokunuki.corpus.index import build_index, write_index
    from dokunuki.corpus.opening import open_rows
    from dokunuki.storage.files import write_json

    with logged(snakemake.log[0]):
        spec = snakemake.params.spec
        rows = open_rows(spec, snakemake.input.get("store") or None)
        index, report = build_index(rows, bad_rows=spec["bad_rows"], workers=snakemake.threads)
        write_index(snakemake.output.index, index)
        write_json(snakemake.output.report, report | read_extraction(spec["path"]))
