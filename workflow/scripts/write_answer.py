"""Write what the report opens with: the table of attacks and defences, and the figure beside it."""

from dokunuki.figures.answer_page import write_answer
from dokunuki.job import logged

with logged(snakemake.log[0]):
    write_answer(
        snakemake.input.metrics,
        snakemake.input.figures,
        answer=snakemake.output.answer,
        **snakemake.params.spec,
    )
