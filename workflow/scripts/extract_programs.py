"""Extract the raw features of a folder of programs, in the layout of an EMBER release."""

from pathlib import Path

from dokunuki.job import logged

# Worker processes import this file again; only the first one extracts.
if __name__ == "__main__":
    with logged(snakemake.log[0]):
        # Here, so that the log says when the parser of programs is missing.
        from dokunuki.corpus.extract.folder import extract_folder

        spec = snakemake.params.spec
        extract_folder(
            spec["path"],
            spec["labels"],
            Path(snakemake.output.checksum).parent,
            version=spec["version"],
            max_bytes=spec["max_bytes"],
            max_seconds=spec["max_seconds"],
            workers=snakemake.threads,
        )
