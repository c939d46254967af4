"""`dokunuki workflow`: where the Snakefile lies, for a `snakemake` of the user's own."""

import typer


def workflow() -> None:
    """Print the path of the Snakefile, in the package or in the checkout that is installed.

    \b
      snakemake -s "$(dokunuki workflow)" --cores all    what dokunuki study does
      snakemake -s "$(dokunuki workflow)" --list-rules

    In a workflow of your own that uses it as a module, give this path after "snakefile:".
    """  # noqa: D301 - click's mark of lines to be left as they are
    from dokunuki.study.places import ROOT

    typer.echo(ROOT / "Snakefile")
