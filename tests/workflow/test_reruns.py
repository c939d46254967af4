"""An edit reruns what it touches and nothing else: the table of docs/reruns.md, row by row."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from checkout import RECORDER, REPOSITORY, TINY, Checkout, Job, records_of

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.workflow

ANSWER = {"plot_answer", "write_answer"}
PLOTS = {"plot_panels", *ANSWER}
FROM_METRICS = {"collect_metrics", *PLOTS, "write_tables", "write_report"}
COLLECTORS = FROM_METRICS | {"collect_timings"}
CORPUS = {"index_corpus", "draw_sample", "vectorise_rows"}
# The grid stands on real rows; beside it are built the vectors of a simulated corpus.
SIMULATED = {"datasets": {"simulated": {"rows": 300, "families": 20, "vendors": 20}}}
EVERYTHING = ("all", "results/simulated/seed-0/vectors.h5")


@pytest.fixture(scope="module")
def built(tmp_path_factory, tiny_release) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("built"), tiny_release, {**TINY, **SIMULATED})
    (checkout.folder / "workflow" / "sitecustomize.py").write_text(RECORDER)
    checkout.snakemake("--cores", "2", *EVERYTHING)
    return checkout


@pytest.fixture
def edited(built, tmp_path) -> Checkout:
    """A copy of the built tree, results and Snakemake's records included, to edit."""
    return built.copied_to(tmp_path / "copy")


def attack_of(job: Job) -> str:
    return job.attack or job.cell.rpartition("-n")[0]


def in_attacked_cell(job: Job) -> bool:
    return "-n" in job.cell


def edit(file: str, old: str, new: str) -> Callable[[Checkout], None]:
    return lambda checkout: checkout.edit(file, old, new)


def touch(checkout: Checkout) -> None:
    for path in [checkout.folder / "Snakefile", *checkout.folder.glob("workflow/**/*")]:
        path.touch()


def check_out_anew(checkout: Checkout) -> None:
    """Code as a clone brings it, with new time stamps, over the same results."""
    for part in ("Snakefile", "workflow"):
        path = checkout.folder / part
        remove = shutil.rmtree if path.is_dir() else type(path).unlink
        remove(path)
        copy = shutil.copytree if (REPOSITORY / part).is_dir() else shutil.copyfile
        copy(REPOSITORY / part, path)
    touch(checkout)


class Row(NamedTuple):
    """A row of the table: its first column, the edit, and the jobs that it plans."""

    title: str
    change: Callable[[Checkout], None] | tuple[str, ...]  # strings are for `--config`
    reruns: Callable[[Job], bool]
    targets: tuple[str, ...] = ()  # none: the grid's


LIBRARY = "workflow/dokunuki"
TABLE = [
    Row("touching every file", touch, lambda job: False, EVERYTHING),
    Row("a fresh checkout over the same results", check_out_anew, lambda job: False, EVERYTHING),
    Row(
        "a comment or docstring, wherever it stands",
        edit(f"{LIBRARY}/corpus/layout.py", '"""The layout of', '"""Layout of'),
        lambda job: False,
    ),
    Row(
        "`compute.device`",
        ("compute={device: cpu}",),
        # Which show the configuration.
        lambda job: job.rule in {"write_tables", "write_report"},
    ),
    Row(
        "`compute.precision` or `compute.threads`",
        ("compute={precision: float32, threads: 2}",),
        lambda job: job.rule not in CORPUS,
    ),
    Row(
        "the style of the plots",
        edit(f"{LIBRARY}/figures/style.py", "PNG_DPI = 150", "PNG_DPI = 151"),
        lambda job: job.rule in {*PLOTS, "write_report"},
    ),
    Row(
        "the template of a page",
        edit(f"{LIBRARY}/figures/tables/templates/summary.html", "a single seed", "one seed"),
        lambda job: job.rule in {"write_tables", "write_report"},
    ),
    Row(
        "a caption of the report",
        edit("workflow/report/page.rst", "mean and", "average and"),
        lambda job: job.rule == "write_report",
    ),
    Row(
        "a label or title in the configuration",
        ("defences={ae: {label: Autoencoder}}",),
        lambda job: job.rule in {*PLOTS, "write_tables", "write_report"},
    ),
    Row(
        "what a defence's ledger, tier or paper says for the reader",
        ("defences={ae: {tier: ours, paper: An article, ledger: {tuned_on: other rows}}}",),
        lambda job: job.rule in {"write_tables", "write_report"},
    ),
    Row(
        "how a measure is computed from the scores",
        edit(
            f"{LIBRARY}/evaluation/measures.py",
            "MALWARE_THRESHOLD = 0.5",
            "MALWARE_THRESHOLD = 0.4",
        ),
        lambda job: job.rule in FROM_METRICS,
    ),
    Row(
        "the autoencoder's module",
        edit(f"{LIBRARY}/networks/autoencoder.py", "code: int = 512", "code: int = 256"),
        lambda job: (
            job.rule == "train_autoencoder"
            or job.defence in {"ae", "ae-enc"}
            or job.rule == "score_evasion"
            or job.rule in COLLECTORS
        ),
    ),
    Row(
        "the autoencoder's settings",
        ("autoencoders={paper: {params: {epochs: 3}}}",),
        lambda job: (
            job.rule == "train_autoencoder"
            or job.defence in {"ae", "ae-enc"}
            or job.rule == "score_evasion"
            or job.rule in COLLECTORS
        ),
    ),
    Row(
        "another defence's module",
        edit(f"{LIBRARY}/defences/deletion.py", "np.ascontiguousarray(", "np.array("),
        lambda job: (
            job.defence == "deletion" or job.rule == "score_evasion" or job.rule in COLLECTORS
        ),
    ),
    Row(
        "one attack's module",
        edit(
            f"{LIBRARY}/attacks/independent.py",
            "label_flip: ClassVar[bool] = False",
            "label_flip: ClassVar[bool] = bool(0)",
        ),
        lambda job: (
            (attack_of(job) == "independent" and job.rule != "plot_panels")
            or job.rule in COLLECTORS
        ),
    ),
    Row(
        "the rows that an attack takes, its surrogate or what its attacker knows",
        ("attacks={independent: {rows: near_malware, surrogate: lightgbm, attacker_share: 62.5}}",),
        lambda job: (
            job.surrogate == "lightgbm-06250"
            or (attack_of(job) == "independent" and job.rule != "plot_panels")
            or job.rule in COLLECTORS
        ),
    ),
    Row(
        "EmberNN's module",
        edit(f"{LIBRARY}/networks/embernn.py", "dropout: float = 0.5", "dropout: float = 0.4"),
        lambda job: (
            job.rule not in CORPUS
            and not (job.rule == "train_autoencoder" and not in_attacked_cell(job))
        ),
    ),
    Row(
        "EmberNN's settings",
        ("classifiers={embernn: {params: {epochs: 3}}}",),
        lambda job: (
            job.rule not in CORPUS
            and not (job.rule == "train_autoencoder" and not in_attacked_cell(job))
        ),
    ),
    Row(
        "how SHAP values are drawn",
        ("surrogate={shap_samples: 3}",),
        lambda job: (
            job.rule in {"explain_surrogate", "plant_trigger", "score_evasion"}
            or in_attacked_cell(job)
            or job.rule in COLLECTORS
        ),
    ),
    Row(
        "`surrogate.explainer`",
        ("surrogate={explainer: shap}",),
        lambda job: (
            job.rule in {"explain_surrogate", "plant_trigger", "score_evasion"}
            or in_attacked_cell(job)
            or job.rule in COLLECTORS
        ),
    ),
    Row(
        "an explainer's module",
        edit(f"{LIBRARY}/surrogate/shap_package.py", "_ROWS_PER_BLOCK = 32", "_ROWS_PER_BLOCK = 8"),
        lambda job: (
            job.rule in {"explain_surrogate", "plant_trigger", "score_evasion"}
            or in_attacked_cell(job)
            or job.rule in COLLECTORS
        ),
    ),
    Row(
        "the vectoriser",
        edit(
            f"{LIBRARY}/corpus/vectoriser.py",
            "def vectorise(",
            "A_NEW_NAME = 1\n\n\ndef vectorise(",
        ),
        lambda job: job.rule not in {"index_corpus", "draw_sample"},
    ),
    Row(
        "the data of the simulated corpus",
        edit("workflow/simember/data/words.yaml", "File Data", "Data File"),
        lambda job: job.dataset == "simulated",
        EVERYTHING,
    ),
    Row(
        "a new seed",
        ("grid={seeds: [0, 1]}",),
        lambda job: job.seed == "1" or job.rule in COLLECTORS,
    ),
    Row(
        "a new N",
        ("grid={trigger_sizes: [2, 3, 4]}",),
        lambda job: "-n003-" in job.cell or job.rule == "score_evasion" or job.rule in COLLECTORS,
    ),
    Row(
        "a new p",
        ("grid={poison_rates: [0, 2.5, 5]}",),
        lambda job: job.cell.endswith("-p0250") or job.rule in COLLECTORS,
    ),
    Row(
        "a new attack",
        ("grid={attacks: [independent, greedy, fgsm-flip]}",),
        lambda job: attack_of(job) == "greedy" or job.rule in COLLECTORS,
    ),
    Row(
        "a new defence",
        (
            "grid={defences: [none, deletion, ae-enc, ae, mine]}",
            "defences={mine: {class: sklearn.decomposition.PCA, params: {n_components: 8}}}",
        ),
        lambda job: job.defence == "mine" or job.rule == "score_evasion" or job.rule in COLLECTORS,
    ),
    Row(
        "a new classifier",
        ("grid={classifiers: [embernn, lightgbm]}",),
        lambda job: (
            job.classifier == "lightgbm" or job.rule == "score_evasion" or job.rule in COLLECTORS
        ),
    ),
]


@pytest.mark.promise(1)
@pytest.mark.parametrize("row", TABLE, ids=[row.title for row in TABLE])
def test_an_edit_reruns_what_it_touches(edited, row):
    arguments: tuple[str, ...] = ()
    if callable(row.change):
        row.change(edited)
    else:
        arguments = ("--config", *row.change)
    every_job = edited.planned(*row.targets, "--forceall", *arguments)
    assert edited.planned(*row.targets, *arguments) == {job for job in every_job if row.reruns(job)}


def test_the_documented_table_is_this_one():
    text = (REPOSITORY / "docs" / "reruns.md").read_text()
    # Two tables of their own follow: test_batch_reruns and test_audit_reruns.
    text, _, _ = text.partition("## Of several seeds a job")
    documented = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert documented[1:] == [row.title for row in TABLE]


@pytest.mark.promise(2)
def test_parameters_are_plain_values(built):
    records = records_of(built)
    assert len({record["rule"] for record in records}) > 15
    assert not {(record["rule"], name) for record in records for name in record["odd"]}


@pytest.mark.promise(1)
def test_what_a_rule_declares_is_what_its_jobs_load(built):
    records = records_of(built)
    undeclared = {
        (record["rule"], module)
        for record in records
        for module in set(record["loaded"]) - set(record["declared"])
    }
    assert not undeclared


@pytest.mark.promise(1)
def test_every_rule_declares_the_code_of_its_own_script():
    rules = {}
    for path in (REPOSITORY / "workflow" / "rules").glob("*.smk"):
        # Those that a loop generates are indented, and have no name of their own there.
        for block in re.split(r"^ *(?:use )?rule\b", path.read_text(), flags=re.MULTILINE)[1:]:
            if script := re.search(r"scripts/(\w+)\.py", block):
                name = block.partition(":")[0].strip() or script[1]
                rules[name] = (script[1], re.findall(r'code\(\s*"(\w+)"', block))
    assert len(rules) > 15
    assert all(declared == [script] for script, declared in rules.values()), rules
