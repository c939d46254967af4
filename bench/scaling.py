"""Measure memory, time and disk of every rule on simulated corpora of growing size.

    make scaling                     all sizes, then the tables: 45 minutes of processor time
    python -m bench.scaling --rows 500 1000 --measurements /tmp/m.csv --only-measure
    python -m bench.scaling --until vectors.h5    only the rules that lead to this file
    python -m bench.scaling --rows   write the tables anew from docs/scaling.csv

Each size runs the workflow itself, with the paper's networks for one epoch, in a scratch folder.
While it runs, every job's processes are looked at four times a second: peak resident memory is the
kernel's own high-water mark, time is processor time, which a busy machine does not change.
(Snakemake's benchmark files are sampled every 30 seconds once a job has run for 15.)

Writes docs/scaling.csv (what was measured), the tables in docs/scaling.md between its markers, and
workflow/resources.yaml, from which the rules take what they request.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import yaml

from bench.markers import write_tables
from bench.material import REPOSITORY, checkout, main_grid
from dokunuki.storage.files import atomic_write

SIZES = [2000, 8000, 32000, 100000]
MEASUREMENTS = REPOSITORY / "docs" / "scaling.csv"
DOCUMENT = REPOSITORY / "docs" / "scaling.md"
RESOURCES = REPOSITORY / "workflow" / "resources.yaml"

WIDTH = 2351
VALIDATION_MALWARE = 1000
SHAP_SAMPLES = 50
# From here on SHAP takes the paper's surrogate more than ten minutes. Its memory is read off a job
# that is stopped, and the attacks go on with the explanations of a small network.
LARGEST_EXPLAINED = 8000

SHAP_RULE = "explain_surrogate"

SEED = "results/simulated/seed-0"
SURROGATE = f"{SEED}/surrogates/embernn-paper-10000"
SHAP = f"{SURROGATE}/shap.h5"
ATTACKS = ("independent", "greedy", "fgsm-flip")
# Rules whose work goes by the rows of the corpus rather than of the sample.
CORPUS_RULES = ("simulate_corpus", "index_corpus", "draw_sample")
KINDS = {
    "raw rows": "results/simulated/release/*",
    "index.h5": "results/simulated/index.h5",
    "split.csv": f"{SEED}/split.csv",
    "vectors.h5": f"{SEED}/vectors.h5",
    "shap.h5": SHAP,
    "surrogate": f"{SURROGATE}/detector/*",
    "poison.h5": f"{SEED}/attacks/fgsm-flip/poison.h5",
    "autoencoder": f"{SEED}/unpoisoned/autoencoders/*",
    "detectors of one cell": f"{SEED}/unpoisoned/*/embernn-paper/detector/*",
    "scores.h5": f"{SEED}/fgsm-flip-n008-p0100/none/embernn-paper/scores.h5",
}


# MB. Tables of own rows take more than the release that is measured here: with 50,000 rows in
# Parquet 600 MB (bench.tables).
LEAST_BASES = {"index_corpus": 600.0, "vectorise_rows": 600.0}
# Rules that run beside Snakemake itself, without a request.
LOCAL_RULES = ("write_report",)
RESOURCES_HEADER = """\
# Peak memory and processor minutes (one thread) of one job of each rule: base + per_1000_rows for
# every 1,000 rows of the sample; of the corpus for simulate_corpus, extract_programs,
# unpack_release, index_corpus and draw_sample. Networks as wide as the paper's, one epoch; 50 SHAP
# samples. The headroom is added by workflow/dokunuki/study/requests.py. Written by `make scaling`;
# see docs/scaling.md.
"""

# What workflow/presets/paper.yaml says.
PAPER_SEEDS = 5
PAPER_EPOCHS = {
    "train_surrogate": 10,
    "train_unpoisoned": 10,
    "train_victim": 10,
    "train_autoencoder": 30,
}
# Rows of a sample, of which 80 % train, and their columns.
PREDICTED = {
    "10,000 rows (the paper)": (10_000, WIDTH),
    "EMBER, 600,000 training rows": (750_000, WIDTH),
    "EMBER2024, 2.6 million x 2,568": (3_250_000, 2568),
}
# An assumption: what an NVIDIA A100 sustains of its 156 TFLOP/s in TF32 on products of this size.
GPU_FLOPS = 30e12


def corpus_rows(rows: int) -> int:
    """How many rows the corpus needs for a sample of `rows`, 45 % of them being goodware."""
    return int(1.15 * rows) + 2500


def overlay(rows: int, surrogate: str) -> dict[str, object]:
    """The configuration of one size."""
    return {
        "datasets": {"simulated": {"rows": corpus_rows(rows)}},
        "sample": {"rows": rows, "test_share": 0.2, "validation_malware": VALIDATION_MALWARE},
        "grid": {
            "datasets": ["simulated"],
            "attacks": ["fgsm-flip"],  # a cell costs the same under each attack
            "classifiers": ["embernn-paper"],
            "seeds": [0],
            "trigger_sizes": [8],
            "poison_rates": [0, 1],
            "fixed_trigger_size": 8,
            "fixed_poison_rate": 1,
        },
        "surrogate": {
            "classifier": surrogate,
            "shap_samples": SHAP_SAMPLES if surrogate == "embernn-paper" else 1,
        },
        "classifiers": {
            "embernn-paper": {"params": {"epochs": 1}},
            "embernn": {"params": {"hidden": [32], "batch_size": 512, "epochs": 1}},
        },
        "autoencoders": {"paper": {"params": {"hidden": 1024, "batch_size": 256, "epochs": 1}}},
        "compute": {"device": "cpu", "threads": 1},
    }


class Jobs:
    """What the processes of each job have used so far."""

    def __init__(self) -> None:
        self.peaks: dict[tuple[str, int], tuple[float, float]] = {}

    def look(self, snakemake: psutil.Process) -> None:
        """Take down processor seconds and peak MiB of all jobs that run now."""
        for process in snakemake.children(recursive=True):
            try:
                command = " ".join(process.cmdline())
                if "python" not in process.name() or "/.snakemake/scripts/" not in command:
                    continue
                rule = command.split("/.snakemake/scripts/")[1].split(".")[1]
                family = [process, *process.children(recursive=True)]
                used = (sum(map(seconds, family)), sum(map(peak_mib, family)))
            except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
                continue
            before = self.peaks.get((rule, process.pid), (0.0, 0.0))
            self.peaks[rule, process.pid] = (max(before[0], used[0]), max(before[1], used[1]))

    def table(self, rows: int) -> pd.DataFrame:
        """One line per rule: mean processor seconds and highest peak of its jobs."""
        used = pd.DataFrame(
            [(rule, *values) for (rule, _), values in self.peaks.items()],
            columns=["name", "cpu_s", "peak_mib"],
        )
        table = used.groupby("name").agg(
            jobs=("cpu_s", "size"), cpu_s=("cpu_s", "mean"), peak_mib=("peak_mib", "max")
        )
        return table.reset_index().assign(what="rule", rows=rows)


def seconds(process: psutil.Process) -> float:
    """Processor seconds of a process and of its finished children."""
    return float(sum(process.cpu_times()[:4]))


def peak_mib(process: psutil.Process) -> float:
    """The highest resident memory so far."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1024


class Run:
    """The workflow of one size in a scratch folder."""

    def __init__(self, folder: Path, rows: int, cores: int) -> None:
        self.folder = folder
        self.rows = rows
        self.cores = cores
        checkout(folder)

    def overlay(self, surrogate: str) -> dict[str, object]:
        """The configuration, with that classifier as the surrogate."""
        return overlay(self.rows, surrogate)

    def build(self, *targets: str, surrogate: str = "embernn-paper", stop: str = "") -> Jobs:
        """Build targets and watch the jobs; one of rule `stop` is ended once it logs progress.

        By then it holds all that it will hold.
        """
        (self.folder / "overlay.yaml").write_text(yaml.safe_dump(self.overlay(surrogate)))
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder / "workflow"),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "snakemake", "--cores", str(self.cores)]
        # Of explanations that were moved to where others belong, only the times count.
        command += ["--configfile", "overlay.yaml", "--rerun-triggers", "mtime", "--", *targets]
        jobs = Jobs()
        with (self.folder / "snakemake.log").open("a") as log:
            running = psutil.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
            progress = self.folder / f"results/logs/{stop}/simulated/seed-0/embernn-paper-10000.log"
            while running.poll() is None:
                jobs.look(running)
                if stop and progress.is_file() and progress.stat().st_size:
                    for process in running.children(recursive=True):
                        if f".{stop}.py" in " ".join(process.cmdline()):
                            process.kill()
                time.sleep(0.25)
        if running.returncode and not stop:
            raise SystemExit(f"the workflow failed: see {self.folder / 'snakemake.log'}")
        return jobs

    def measure_until(self, name: str) -> pd.DataFrame:
        """Memory and time of the rules that lead to a file of the seed."""
        return self.build(f"{SEED}/{name}").table(self.rows)

    def measure(self) -> pd.DataFrame:
        """Memory and time per rule, and bytes per kind of file."""
        jobs = [self.build(f"{SURROGATE}/detector")]
        if self.rows > LARGEST_EXPLAINED:
            stopped = self.build(SHAP, stop=SHAP_RULE)
            jobs += [stopped]
            small = f"{SEED}/surrogates/embernn-10000/shap.h5"
            self.build(small, surrogate="embernn")
            (self.folder / small).rename(self.folder / SHAP)
            (self.folder / SHAP).touch()
        poison = [f"{SEED}/attacks/{attack}/poison.h5" for attack in ATTACKS]
        jobs.append(self.build("all", *poison))
        table = pd.concat([part.table(self.rows) for part in jobs])
        if self.rows > LARGEST_EXPLAINED:
            table.loc[table["name"] == SHAP_RULE, "cpu_s"] = np.nan
        return pd.concat([table, self.sizes()])

    def sizes(self) -> pd.DataFrame:
        """Megabytes of one of each kind of file."""
        found = {
            kind: sum(path.stat().st_size for path in self.folder.glob(pattern)) / 1e6
            for kind, pattern in KINDS.items()
            if kind != "shap.h5" or self.rows <= LARGEST_EXPLAINED
        }
        return pd.DataFrame(
            [{"what": "disk", "name": k, "rows": self.rows, "mb": v} for k, v in found.items()]
        )


def fitted(x: pd.Series, y: pd.Series) -> tuple[float, float]:
    """Base and slope of the least-squares line; neither below 0."""
    slope, base = np.polyfit(x, y, 1)
    if slope < 0:
        return float(y.max()), 0.0
    if base < 0:
        return 0.0, float((x * y).sum() / (x * x).sum())
    return float(base), float(slope)


def lines(measured: pd.DataFrame, value: str) -> pd.DataFrame:
    """Per name: the measured values by rows, the line in thousands of rows, the exponent."""
    fits = {}
    known = measured.dropna(subset=[value])
    for name, part in known.groupby("name", sort=False):
        thousands = part["rows"].map(corpus_rows if name in CORPUS_RULES else int) / 1000
        base, slope = fitted(thousands, part[value])
        # Rules that do next to nothing have no growth to speak of.
        exponent = np.polyfit(np.log(thousands), np.log(part[value].clip(lower=1e-9)), 1)[0]
        fits[name] = {"base": base, "slope": slope, "exponent": exponent}
    table = known.pivot(index="name", columns="rows", values=value)
    return table.join(pd.DataFrame(fits).T).reindex(known["name"].unique())


def matrix_mib(rows: float) -> float:
    """The matrix of a sample, float32."""
    return (rows + VALIDATION_MALWARE) * WIDTH * 4 / 2**20


def markdown(header: list[str], body: list[list[str]]) -> str:
    """A table; the first column is text."""
    rule = ["---"] + ["--:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *body])


def number(value: float) -> str:
    """Three digits at least, and no exponents."""
    if np.isnan(value):
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{round(value, 6):.3g}"


def fit_table(fits: pd.DataFrame, extra: str, cells: pd.Series) -> str:
    """Measured values by rows, the line, and one more column."""
    sizes = [column for column in fits.columns if isinstance(column, int)]
    header = ["", *(f"{size:,}" for size in sizes), "per 1,000 rows", extra]
    body = [
        [
            str(name),
            *(number(fit[size]) for size in sizes),
            f"{number(fit['base'])} + {number(fit['slope'])}",
            f"{cells[name]:.2f}",
        ]
        for name, fit in fits.iterrows()
    ]
    return markdown(header, body)


def planned_jobs() -> dict[str, int]:
    """Jobs by rule of the paper's figures, from a dry run on the simulated corpus."""
    with tempfile.TemporaryDirectory(prefix="dokunuki-scaling-") as folder:
        run = Run(Path(folder), 0, 1)
        main_grid(run.folder / "grid.yaml")
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--configfile", "grid.yaml"],
            cwd=run.folder,
            env={**os.environ, "PYTHONPATH": str(run.folder / "workflow")},
            capture_output=True,
            text=True,
            check=True,
        )
    counted = re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, flags=re.MULTILINE)
    jobs: Counter[str] = Counter()
    for rule, number in dict(counted).items():  # a dry run says it twice
        jobs[rule.replace("temporary_", "")] += int(number)
    return {rule: number for rule, number in jobs.items() if rule not in ("total", "all")}


def gpu_seconds(rows: float, width: int = WIDTH) -> dict[str, float]:
    """Seconds of one job of each training rule on a GPU, by operations; rows are training rows.

    The defences' victims differ in width: all columns for None and AE, the byte histograms and the
    code for AE enc, the byte histograms alone for Deletion. Three times the forward pass, two
    operations a multiply-add.
    """

    def network(*widths: int) -> float:
        return float(sum(a * b for a, b in itertools.pairwise(widths)))

    victims = [network(*[inputs] * 4, 1) for inputs in (width, width, 512 + 512, 512)]
    per_weight = 3 * 2 * rows / GPU_FLOPS
    return {
        "train_surrogate": per_weight * PAPER_EPOCHS["train_surrogate"] * victims[0],
        "train_unpoisoned": per_weight * PAPER_EPOCHS["train_unpoisoned"] * float(np.mean(victims)),
        "train_victim": per_weight * PAPER_EPOCHS["train_victim"] * float(np.mean(victims)),
        "train_autoencoder": per_weight
        * PAPER_EPOCHS["train_autoencoder"]
        * network(width - 512, 1024, 512, 1024, width - 512),
    }


def prediction_table(memory: pd.DataFrame, used: pd.DataFrame, disk: pd.DataFrame) -> str:
    """What the paper's grid takes at other sizes; five seeds share the corpus.

    Memory, disk and time a row grow with the columns, the time of trainings and explanations with
    their square.
    """
    jobs = planned_jobs()
    cells = jobs["train_autoencoder"]
    files = {
        **{"vectors.h5": PAPER_SEEDS, "index.h5": 1, "split.csv": PAPER_SEEDS},
        **dict.fromkeys(["shap.h5", "surrogate", "detectors of one cell"], PAPER_SEEDS),
        "autoencoder": cells / PAPER_SEEDS,  # those of the first seed alone are kept
        "poison.h5": jobs["plant_trigger"],
        "scores.h5": jobs["train_victim"] + jobs["train_unpoisoned"],
    }
    body = []
    for name, (rows, width) in PREDICTED.items():
        wide = rows / 1000 * width / WIDTH
        squared = wide * width / WIDTH

        def at(fits: pd.DataFrame, what: str, thousands: float = wide) -> float:
            return float(fits.loc[what, "base"] + fits.loc[what, "slope"] * thousands)

        cpu = {
            rule: count
            * PAPER_EPOCHS.get(rule, 1)
            * at(used, rule, squared if rule in {*PAPER_EPOCHS, SHAP_RULE} else wide)
            / 3600
            for rule, count in jobs.items()
            if rule in used.index and rule != "simulate_corpus"
        }
        gpu = sum(jobs[rule] * s / 3600 for rule, s in gpu_seconds(0.8 * rows, width).items())
        largest = max(memory.index, key=lambda rule: at(memory, rule))
        body.append(
            [
                name,
                f"{sum(jobs.values()):,}",
                number(sum(cpu[rule] for rule in gpu_seconds(1))),
                f"{gpu:,.2f}",
                number(cpu[SHAP_RULE]),
                number(sum(cpu.values()) - sum(cpu[r] for r in (*gpu_seconds(1), SHAP_RULE))),
                f"{at(memory, largest) / 1024:,.1f} GiB ({largest})",
                f"{sum(count * at(disk, kind) for kind, count in files.items()) / 1000:,.0f} GB",
            ]
        )
    header = ["", "jobs", "training, CPU h", "or GPU h", "SHAP, CPU h", "other, CPU h"]
    return markdown([*header, "largest job", "disk"], body)


def write_results(measured: pd.DataFrame) -> None:
    """The file that requests are read from, then the tables of the document."""
    rules = measured[measured["what"] == "rule"]
    memory, used = lines(rules, "peak_mib"), lines(rules, "cpu_s")
    disk = lines(measured[measured["what"] == "disk"], "mb")
    requests = {
        rule: {
            "mem_mb": request(memory.loc[rule, ["base", "slope"]] * 2**20 / 1e6),
            "minutes": request(used.loc[rule, ["base", "slope"]] / 60),
        }
        for rule in memory.index
        if rule not in LOCAL_RULES
    }
    for rule, least in LEAST_BASES.items():
        memory_of = requests[rule]["mem_mb"]
        memory_of["base"] = max(memory_of["base"], least)
    # Rules that are not measured here, such as the audit's, keep what was set by hand.
    held = yaml.safe_load(RESOURCES.read_text(encoding="utf-8"))
    with atomic_write(RESOURCES) as temporary:
        content = RESOURCES_HEADER + yaml.safe_dump({**held, **requests})
        temporary.write_text(content, encoding="utf-8")
    largest = max(rules["rows"])
    ratio = memory[largest] / matrix_mib(largest)
    tables = {
        "memory": fit_table(memory, f"of the matrix at {largest:,}", ratio),
        "time": fit_table(used, "exponent", used["exponent"]),
        "disk": fit_table(disk, "exponent", disk["exponent"]),
        "prediction": prediction_table(memory, used, disk),
    }
    write_tables(DOCUMENT, tables)


def request(line: pd.Series) -> dict[str, float]:
    """A line as the requests' file has it, in three digits."""
    base, slope = (float(f"{value:.3g}") for value in line)
    return {"base": base, "per_1000_rows": slope}


def main() -> None:
    """Measure the sizes asked for, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="*", default=SIZES, help="sizes to measure")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--until", metavar="FILE", help="measure only what makes this file")
    parser.add_argument("--measurements", type=Path, default=MEASUREMENTS)
    parser.add_argument("--only-measure", action="store_true", help="write no tables")
    arguments = parser.parse_args()
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(prefix="dokunuki-scaling-") as folder:
            run = Run(Path(folder), rows, arguments.cores)
            measured = run.measure_until(arguments.until) if arguments.until else run.measure()
        if arguments.measurements.is_file():
            earlier = pd.read_csv(arguments.measurements)
            again = earlier["rows"] == rows
            if arguments.until:
                again &= (earlier["what"] == "rule") & earlier["name"].isin(measured["name"])
            measured = pd.concat([earlier[~again], measured])
        measured = measured.sort_values(["what", "name", "rows"], kind="stable")
        with atomic_write(arguments.measurements) as temporary:
            columns = ["what", "name", "rows", "jobs", "cpu_s", "peak_mib", "mb"]
            measured.reindex(columns=columns).to_csv(temporary, index=False, float_format="%.4g")
        print(f"measured {rows} rows", flush=True)
    if not arguments.only_measure:
        write_results(pd.read_csv(arguments.measurements))


if __name__ == "__main__":
    main()
