"""`dokunuki audit`: whether a feed holds a backdoor, through the workflow's own rules."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dokunuki.command.workflow import in_one_line, run_snakemake, snakemake_arguments
from dokunuki.errors import ConfigError, DokunukiError

LOCK = ".dokunuki.lock"
DEMO_ATTACK, DEMO_SIZE, DEMO_RATE = "independent", 32, 4
"""What the demonstration plants, in how many columns and in what percent of the rows."""

_FEED = "feed"


class Classifier(StrEnum):
    """What is trained on the feed."""

    lightgbm = "lightgbm"
    embernn = "embernn"


class FailOn(StrEnum):
    """What makes the exit status 1."""

    proved = "proved"
    suspicious = "suspicious"


class Canaries(StrEnum):
    """Which backdoors the audit plants into copies of the feed."""

    none = "none"
    quick = "quick"
    full = "full"


def audit(
    feed: Annotated[
        Path | None,
        typer.Argument(
            metavar="FEED",
            help="Labelled rows: a table (Parquet, CSV, Feather, .npz, .npy, HDF5), raw EMBER "
            "rows, memory maps, or a folder of programs with --labels.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The folder for the results; report.html is the summary."),
    ] = Path("audit"),
    label: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="For a table: the column of labels.")
    ] = None,
    sample_id: Annotated[
        str | None, typer.Option("--id", metavar="COLUMN", help="For a table: the column of ids.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, max=3, help="Feature version of the rows.")
    ] = None,
    layout: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="For a table: the layout file of features other than EMBER's."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="For programs: path or sha256, and label, of each."),
    ] = None,
    detector: Annotated[
        Classifier, typer.Option(help="The detector that is trained on the feed and tested.")
    ] = Classifier.lightgbm,
    canaries: Annotated[
        Canaries,
        typer.Option(
            help="Plant known backdoors into copies of the feed, to see how many the audit finds. "
            "quick takes about four times as long in all, full about fifteen times; both "
            "continue from an audit without canaries."
        ),
    ] = Canaries.none,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same answer.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the verdict as JSON, and nothing else.")
    ] = False,
    fail_on: Annotated[
        FailOn, typer.Option(help="From which verdict on the exit status is 1.")
    ] = FailOn.proved,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Audit 2,000 simulated rows with an attack planted in them."),
    ] = False,
    cores: Annotated[
        str | None, typer.Option(metavar="N", help="How many cores; all by default.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="slurm for a SLURM cluster, or your own profile."),
    ] = None,
) -> None:
    """Tell whether training rows hold a backdoor, and in which rows, and train without them.

    \b
      dokunuki audit --demo --out demo          see it find one, in minutes
      dokunuki audit feed.parquet --label label --id sha256 --out audit
      dokunuki audit rows.jsonl.gz --version 2 --detector embernn
      dokunuki audit samples --labels labels.csv --fail-on suspicious
      dokunuki audit feed.parquet --canaries quick   what would it have missed?

    No clean rows are needed. A trigger is proved by its effect: values that some goodware rows
    share are stamped into malware, and with them the malware passes a detector that was trained on
    all rows, but not one that was trained without the suspected rows.

    DIR then holds report.html (read it first), verdict.json, suspects.csv (rows to look at),
    triggers.json, clean_feed.parquet, and the detector trained on the cleaned feed: detector/ and
    detector.onnx. If it was interrupted, the same command continues where it stopped.

    Exit status: 0 nothing proved, 1 a backdoor proved (or suspected, with --fail-on suspicious),
    2 it could not be done, or the feed is too small or unsuitable to tell.
    """  # noqa: D301 - click's mark of lines to be left as they are
    from dokunuki.command.feeds import feed_entry

    if feed is None and not demo:
        raise ConfigError("FEED: is missing; name the rows to audit, or try --demo")
    if feed is not None and demo:
        raise ConfigError("--demo: makes its own feed; leave it out to audit yours")
    out = out.expanduser().absolute()
    if feed is not None:
        entry = feed_entry(
            feed,
            version=version,
            layout=layout,
            label=label,
            sample_id=sample_id,
            labels=labels,
        )
    with _locked(out):
        if feed is None:
            entry = _planted_demo(out, seed, cores, profile)
        _run(
            out,
            cores,
            profile,
            {
                "datasets": {_FEED: entry},
                "audit": {
                    "feed": _FEED,
                    "detector": detector.value,
                    "canaries": canaries.value,
                    "seed": seed,
                    "folder": ".",
                },
            },
            "audit",
        )
        verdict = _verdict(out)
    if as_json:
        typer.echo(json.dumps(verdict, indent=2, ensure_ascii=False))
    else:
        typer.echo(verdict["answer"])
        typer.echo(f"The report is at {out / 'report.html'}")
    raise typer.Exit(_status(verdict["verdict"], fail_on))


def _status(verdict: str, fail_on: FailOn) -> int:
    if verdict == "cannot tell":
        return 2
    found = ("proved",) if fail_on is FailOn.proved else ("proved", "suspicious")
    return int(verdict in found)


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Hold a folder for one audit; the system lets go of it however that ends.

    Snakemake's own lock stays when it is killed, and would refuse to go on. Raises DokunukiError
    where another audit is at work there.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DokunukiError(
                f"{out}: another audit is at work in this folder; wait for it, or name another "
                "--out"
            ) from None
        yield


def _run(
    out: Path, cores: str | None, profile: str | None, config: dict[str, Any], *targets: str
) -> None:
    """Build targets in the folder; ends with status 2 where that failed, as Snakemake tells."""
    arguments = snakemake_arguments(
        ["--directory", str(out), "--nolock", "--quiet", "rules", "host"],
        cores=cores,
        profile=profile,
        config=[f"{key}={in_one_line(value)}" for key, value in config.items()],
        targets=targets,
    )
    here = Path.cwd()
    try:
        done = run_snakemake(arguments)
    finally:
        os.chdir(here)
    if not done:
        raise typer.Exit(2)


def _planted_demo(out: Path, seed: int, cores: str | None, profile: str | None) -> dict[str, Any]:
    """A simulated feed with an attack of the catalogue in it, and the entry that reads it."""
    cell = f"{DEMO_ATTACK}-n{DEMO_SIZE:03d}-p{100 * DEMO_RATE:04d}"
    planted = f"results/demo/seed-{seed}/{cell}/feed.parquet"
    _run(
        out,
        cores,
        profile,
        {
            "datasets": {"demo": {"kind": "simulated", "rows": 4800, "seed": seed}},
            "sample": {"rows": 2400, "test_share": 1 / 6, "validation_malware": 100},
            "grid": {
                "datasets": ["demo"],
                "attacks": [DEMO_ATTACK],
                "seeds": [seed],
                "trigger_sizes": [DEMO_SIZE],
                "poison_rates": [DEMO_RATE],
                "fixed_trigger_size": DEMO_SIZE,
                "fixed_poison_rate": DEMO_RATE,
            },
        },
        planted,
    )
    return {
        "kind": "rows",
        "path": str(out / planted),
        "simulated": True,
        "title": "Demonstration: simulated rows with a planted attack",
    }


def _verdict(out: Path) -> dict[str, Any]:
    from dokunuki.audit.reporting.records import read_verdict

    verdict: dict[str, Any] = read_verdict(out / "verdict.json")
    return verdict
