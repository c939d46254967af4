"""`dokunuki study`: the workflow of attacks against defences, in the current folder."""

import argparse
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from dokunuki.command.workflow import in_one_line, preset_file, run_snakemake, snakemake_arguments
from dokunuki.errors import ConfigError

_TARGETS = "dokunuki.targets"
# With these Snakemake is asked to tell something, or how much to tell.
_TELLING = {
    *("-n", "--dry-run", "--dryrun", "-q", "--quiet", "--verbose", "-p", "--printshellcmds"),
    *("--lint", "--list-rules", "-l", "--summary", "-S", "--dag", "--rulegraph", "--unlock"),
}


class StudyCommand(TyperCommand):
    """Keeps apart what stands behind `--`: Snakemake's targets."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401, D102
        place = args.index("--") if "--" in args else len(args)
        ctx.meta[_TARGETS] = args[place + 1 :]
        ctx.ignore_unknown_options = ctx.allow_extra_args = True
        parsed: list[str] = super().parse_args(ctx, args[:place])
        return parsed


def study(
    ctx: typer.Context,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A configuration that comes with dokunuki: sample, paper, benchmark, smoke and "
            "others. May be repeated; a later one wins.",
        ),
    ] = None,
    ember: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Real rows: a folder or archive of an EMBER release."),
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE", help="Your own rows: Parquet, CSV, Feather, .npz and others."
        ),
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, max=3, help="Feature version of these rows.")
    ] = None,
    layout: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With --rows: the layout file of features other than EMBER's."
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="With --rows: the column of labels.")
    ] = None,
    sample_id: Annotated[
        str | None, typer.Option("--id", metavar="COLUMN", help="With --rows: the column of ids.")
    ] = None,
    cores: Annotated[
        str | None, typer.Option(metavar="N", help="How many cores; all by default.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="slurm for a SLURM cluster, or your own Snakemake profile."
        ),
    ] = None,
) -> None:
    """Run attacks against defences, from rows to a report.

    All results go to the folder results in the current one, and the report is results/report.html.
    Without any option it is the quick run on a simulated corpus, eight minutes on two cores. The
    same command again continues where it stopped, and repeats only what a change affects.

    \b
      dokunuki study                                     the quick run
      dokunuki study --ember path/to/ember --preset sample
      dokunuki study --rows feed.parquet --label label --id sha256
      dokunuki study --preset benchmark -- benchmark     the leaderboard
      dokunuki study --profile slurm                     on a cluster

    All other arguments go to Snakemake. What follows -- are its targets:

    \b
      dokunuki study -n                                  what would be done
      dokunuki study --configfile my.yaml --config 'grid={seeds: [0]}'
    """  # noqa: D301 - click's mark of lines to be left as they are
    config = dataset_config(ember, rows, version, layout, label, sample_id)
    overlays, keys, others = split_arguments(ctx.args)
    targets = ctx.meta[_TARGETS]
    is_plain = not _TELLING.intersection(others)
    if is_plain:
        others += ["--quiet", "rules", "host"]
    arguments = snakemake_arguments(
        others,
        cores=cores,
        profile=profile,
        configfiles=[*map(preset_file, preset or ()), *overlays],
        config=[*config, *keys],
        targets=targets,
    )
    if not run_snakemake(arguments):
        raise typer.Exit(2)
    if is_plain and not targets and Path("results/report.html").is_file():
        typer.echo(f"The report is at {Path('results/report.html').resolve()}")


def split_arguments(arguments: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Files of `--configfile`, keys of `--config`, and all other arguments of Snakemake's.

    Snakemake takes the last of each alone: they are put together with those of our options.
    Raises ConfigError for a file that is not there.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument(
        "--configfile", "--configfiles", nargs="+", action="extend", default=[], dest="files"
    )
    parser.add_argument("--config", "-C", nargs="*", action="extend", default=[], dest="keys")
    try:
        found, others = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise ConfigError(str(error)) from None
    for file in found.files:
        if not Path(file).is_file():
            raise ConfigError(f"--configfile {file}: no such file; check the path")
    return found.files, found.keys, others


def dataset_config(
    ember: Path | None,
    rows: Path | None,
    version: int | None,
    layout: Path | None,
    label: str | None,
    sample_id: str | None,
) -> list[str]:
    """The keys (`key=value`) that choose the rows; none for those of the configuration.

    Raises ConfigError for options that do not go together.
    """
    of_rows = {"--layout": layout, "--label": label, "--id": sample_id}
    if ember is not None and rows is not None:
        raise ConfigError("--ember and --rows: cannot be combined; leave one of them out")
    for option, value in of_rows.items():
        if value is not None and rows is None:
            raise ConfigError(
                f"{option}: goes with --rows, which is not given; add --rows TABLE, or leave "
                f"{option} out"
            )
    if version is not None and ember is None and rows is None:
        raise ConfigError(
            "--version: goes with --ember or --rows, and neither is given; add one of them, or "
            "leave --version out"
        )
    entry: dict[str, Any]
    if ember is not None:
        name, entry = "ember", {"path": str(ember)}
    elif rows is not None:
        name, entry = "rows", {"kind": "rows", "path": str(rows), "title": "Own rows"}
        entry |= {
            key: str(value)
            for key, value in (("layout", layout), ("label", label), ("id", sample_id))
            if value is not None
        }
    else:
        return []
    if version is not None:
        entry["version"] = version
    return [
        f"datasets={in_one_line({name: entry})}",
        f"grid={in_one_line({'datasets': [name]})}",
    ]
