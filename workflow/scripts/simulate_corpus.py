"""Write a simulated corpus in the layout of an EMBER release."""

from pathlib import Path

from dokunuki.job import logged

# Worker processes import this file again; only the first one writes.
if __name__ == "__main__":
    with logged(snakemake.log[0]):
        # Here, so that the log says what is wrong with its data.
        from simember.generator import SimulatedSpec, write_corpus

        spec = SimulatedSpec(**snakemake.params.spec)
        folder = Path(snakemake.output.metadata).parent
        write_corpus(folder, spec, workers=snakemake.threads)
