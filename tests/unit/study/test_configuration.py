import copy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from checkout import SETTABLE
from dokunuki.errors import ConfigError
from dokunuki.study.configuration import load_config, used_methods
from dokunuki.study.grid import all_grids
from dokunuki.study.samples import sample_spec
from dokunuki.surrogate.explanations import EXPECTED_GRADIENTS

REPOSITORY = Path(__file__).resolve().parents[3]
WORKFLOW = REPOSITORY / "workflow"
SCHEMA = WORKFLOW / "schemas" / "config.schema.yaml"


@pytest.fixture
def raw():
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    config["datasets"]["ember"] = {"kind": "ember", "path": "release"}
    config["grid"] |= {**SETTABLE, "datasets": ["ember"]}
    config["sample"]["rows"] = 1200
    return config


def change(config, path, value):
    *parents, last = path.split(".")
    node = config
    for key in parents:
        node = node.setdefault(key, {})
    node[last] = value


def test_defaults_of_the_schema_are_filled_in_and_the_input_is_left_alone(raw):
    before = copy.deepcopy(raw)
    config = load_config(raw, WORKFLOW)
    assert raw == before
    assert config["datasets"]["ember"]["version"] == 1
    assert config["corpus"] == {"vectoriser": "dokunuki", "bad_rows": "fail"}
    assert config["surrogate"]["explainer"] == EXPECTED_GRADIENTS
    assert config["defences"]["none"]["params"] == {}
    assert config["defences"]["none"]["autoencoder"] is None
    assert config["attacks"]["greedy"] == {
        "class": "dokunuki.attacks.greedy.GreedyCombinedSelection",
        "params": {"region": "non_hashed"},
        "label": "Greedy Combined Selection",
        "tags": ["paper", "one-of-a-kind"],
        "rows": "attack",
        "surrogate": None,
        "attacker_share": 100,
        "loud": False,
        "adaptive_to": None,
        "trainings": 0,
    }
    assert config["defences"]["none"]["tier"] == "defence"
    assert config["defences"]["none"]["ledger"] == {
        "clean_rows": False,
        "poison": False,
        "poison_rate": "none",
        "trigger_size": "none",
        "target_class": False,
        "tuned_on": "nothing",
    }
    assert (config["sample"]["calibration_rows"], config["sample"]["clean_rows"]) == (0, 0)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "grid.poison_ratess",
            [1],
            r"grid\.poison_ratess: unknown key; .*'poison_rates'",
        ),
        ("sampel", {}, r"sampel: unknown key; did you mean 'sample'"),
        ("defences.ae.clas", "x.Y", r"defences\.ae\.clas: unknown key; did you mean 'class'"),
        (
            "grid.attacks",
            ["gredy"],
            r"grid\.attacks: unknown attack 'gredy'; .*'greedy'",
        ),
        ("grid.defences", ["aee"], r"grid\.defences: unknown defence 'aee'; did you mean 'ae'"),
        ("grid.datasets", ["zzz"], r"grid\.datasets: unknown dataset 'zzz'; known: .*simulated"),
        ("defences.ae.autoencoder", "pap", r"defences\.ae\.autoencoder: unknown autoencoder 'pap'"),
        ("surrogate.classifier", "embrnn", r"surrogate\.classifier: unknown classifier 'embrnn'"),
        ("grid.trigger_sizes", [36], r"grid\.trigger_sizes: a trigger of 36 .* the 35 features"),
        ("grid.fixed_trigger_size", 40, r"grid\.fixed_trigger_size: a trigger of 40 features"),
        ("grid.poison_rates", [0.005], r"grid\.poison_rates: 0\.005 is not a multiple of 0\.01"),
        ("grid.seeds", ["a"], r"grid\.seeds\[0\]: 'a' is not of type 'integer'"),
        ("seeds", {"x": {}}, r"seeds: 'x' does not have the right form: a number"),
        ("seeds", {3: {"sampel": 1}}, r"seeds\.3\.sampel: unknown key; did you mean 'sample'"),
        ("seeds", {3: {"poison": -1}}, r"seeds\.3\.poison: -1 is less than the minimum"),
        ("grid.restricted", {"lightgmb": ["ae"]}, r"restricted: unknown classifier 'lightgmb'"),
        ("grid.restricted", {"lightgbm": ["aee"]}, r"restricted\.lightgbm: unknown defence 'aee'"),
        (
            "grid",
            {"defences": ["none"], "restricted": {"embernn": ["ae"]}},
            r"grid\.restricted\.embernn: none of these defences is in grid\.defences",
        ),
        ("grid.seeds", [], r"grid\.seeds: \[\] (should be non-empty|is too short)"),
        ("sample.rows", 1001, r"sample: rows and rows x test_share must be even"),
        ("sample.calibration_rows", 7, r"sample\.calibration_rows: 7 is not a multiple of 2"),
        ("sample.clean_rows", 7, r"sample\.clean_rows: 7 is not a multiple of 2"),
        ("defences.ae.tier", "best", r"defences\.ae\.tier: 'best' is not one of"),
        ("defences.ae.ledger", {"poison_rate": 4}, r"poison_rate: 4 is not of type 'string'"),
        ("defences.ae.ledger", {"poison": True}, r"ledger\.poison: .*set tier: bound"),
        (
            "defences.ae.ledger",
            {"clean_rows": "true"},
            r"ledger\.clean_rows: .* tier 'defence' .*set tier: clean-rows or bound",
        ),
        ("sample.split", "by-time", r"sample\.split: 'by-time' is not one of \['random', 'time'\]"),
        ("datasets.ember.sample", {"split": "month"}, r"ember\.sample\.split: 'month' is not one"),
        (
            "datasets.ember.file_types",
            ["Win23"],
            r"file_types\[0\]: 'Win23' is not one of \['Win32'",
        ),
        (
            "datasets.ember.file_types",
            "Win32",
            r"ember\.file_types: 'Win32' is not of type 'array'",
        ),
        ("datasets.ember.file_types", [], r"ember\.file_types: \[\] (should be non-empty|is too)"),
        (
            "datasets.ember.file_types",
            ["Win32"],
            r"datasets\.ember\.file_types: only rows of version 3 .*set version: 3",
        ),
        ("corpus.bad_rows", "ignore", r"corpus\.bad_rows: 'ignore' is not one of"),
        (
            "surrogate.explainer",
            "lime",
            r"surrogate\.explainer: 'lime' is not one of \['expected-gradients', 'shap'\]",
        ),
        ("compute.device", "gpu", r"compute\.device: 'gpu' is not one of"),
        ("datasets.ember.version", 4, r"datasets\.ember\.version: 4 is not one of \[1, 2, 3\]"),
        (
            "datasets.ember.path",
            None,
            r"datasets\.ember\.path: no folder .*make run EMBER",
        ),
        (
            "attacks.greedy.class",
            "Greedy",
            r"attacks\.greedy\.class: 'Greedy' does not have",
        ),
        ("attacks.greedy.params", {"region": "al"}, r"unknown region 'al'"),
        ("attacks.greedy.rows", "near", r"attacks\.greedy\.rows: 'near' is not one of"),
        (
            "attacks.greedy.surrogate",
            "lightgmb",
            r"attacks\.greedy\.surrogate: unknown classifier 'lightgmb'; .*'lightgbm'",
        ),
        (
            "attacks.greedy.adaptive_to",
            "aee",
            r"attacks\.greedy\.adaptive_to: unknown defence 'aee'; did you mean 'ae'",
        ),
        ("attacks.greedy.attacker_share", 0, r"attacks\.greedy\.attacker_share: 0 is less than"),
        ("attacks.greedy.attacker_share", 101, r"attacks\.greedy\.attacker_share: 101 is great"),
        (
            "attacks.greedy.attacker_share",
            33.333,
            r"attacks\.greedy\.attacker_share: 33\.333 is not a multiple of 0\.01",
        ),
        (
            "attacks.greedy.attacker_share",
            0.1,
            r"attacker_share: 0\.1 % of 480 training rows .* no row; the smallest .* 0\.11 %",
        ),
        ("attacks.greedy.loud", 1, r"attacks\.greedy\.loud: 1 is not of type 'boolean'"),
    ],
)
def test_what_is_wrong_is_named_with_its_mend(raw, path, value, message):
    if path == "grid":
        value = {**raw["grid"], **value}
    change(raw, path, value)
    with pytest.raises(ConfigError, match=message):
        load_config(raw, WORKFLOW)


def test_a_corpus_may_be_split_by_time_and_have_chosen_types(raw):
    assert load_config(raw, WORKFLOW)["sample"]["split"] == "random"
    raw["datasets"]["ember"] |= {"version": 3, "file_types": ["Dot_Net", "PDF"]}
    raw["datasets"]["ember"]["sample"] = {"split": "time"}
    config = load_config(raw, WORKFLOW)
    assert config["datasets"]["ember"]["file_types"] == ["Dot_Net", "PDF"]
    assert sample_spec(config, "ember")["split"] == "time"
    assert sample_spec(config, "simulated")["split"] == "random"


def test_numbers_that_come_as_text_from_the_command_line_are_numbers(raw):
    raw["datasets"]["ember"]["version"] = "2"
    raw["datasets"]["ember"]["path"] = "2017"
    raw["grid"]["seeds"] = ["3", "4"]
    raw["grid"]["poison_rates"] = ["0", "0.5"]
    raw["classifiers"] = {"embernn": {"params": {"learning_rate": "0.01"}}}
    config = load_config(raw, WORKFLOW)
    assert config["datasets"]["ember"]["version"] == 2
    assert config["datasets"]["ember"]["path"] == "2017"
    assert config["grid"]["seeds"] == [3, 4]
    assert config["grid"]["poison_rates"] == [0, 0.5]
    assert config["classifiers"]["embernn"]["params"]["learning_rate"] == 0.01


def test_seeds_are_text_as_in_paths(raw):
    raw["seeds"] = {3: {"sample": 0}, "4": {"poison": "1", "initialisation": 2}}
    config = load_config(raw, WORKFLOW)
    assert config["seeds"] == {"3": {"sample": 0}, "4": {"poison": 1, "initialisation": 2}}


def test_clean_rows_are_drawn_where_a_defence_of_the_grid_has_them(raw):
    raw["defences"] = {"ae": {"tier": "clean-rows", "ledger": {"clean_rows": True}}}
    with pytest.raises(ConfigError, match=r"defences\.ae\.ledger.*set sample\.clean_rows"):
        load_config(raw, WORKFLOW)
    load_config({**raw, "sample": {**raw["sample"], "clean_rows": 40}}, WORKFLOW)
    raw["grid"]["defences"] = ["none"]
    load_config(raw, WORKFLOW)


def test_a_rate_that_rounds_to_no_row_names_the_smallest_that_does_not(raw):
    raw["sample"]["rows"] = 100
    raw["grid"]["poison_rates"] = [0.5]
    with pytest.raises(ConfigError, match=r"0\.5 % of 80 training rows rounds to no row.*0\.63 %"):
        load_config(raw, WORKFLOW)


def test_every_key_of_the_schema_is_explained():
    schema = yaml.safe_load(SCHEMA.read_text())
    unexplained = []

    def walk(node, where):
        for key, child in node.get("properties", {}).items():
            described = child.get("description") or "$ref" in child
            if not described:
                unexplained.append(f"{where}.{key}")
            walk(child, f"{where}.{key}")
        if isinstance(node.get("additionalProperties"), dict):
            walk(node["additionalProperties"], f"{where}.*")

    walk(schema, "")
    assert not unexplained


def _merge(base, over):
    for key, value in over.items():
        if isinstance(value, dict):
            _merge(base.setdefault(key, {}), value)
        else:
            base[key] = value


@pytest.mark.parametrize(
    "presets",
    [
        "paper",
        "paper paper-first-seed",
        "paper-points",
        "paper-sample",
        "search",
        "search search-quick",
        "search search-sample",
        "sample",
        "smoke",
        "benchmark",
        "benchmark benchmark-ember",
        "benchmark benchmark-2024",
        "benchmark screening",
        "benchmark label-flip",
        "benchmark label-flip-ideas",
        "benchmark benchmark-ember label-flip",
        "benchmark benchmark-ember label-flip-ideas",
    ],
)
def test_presets_are_valid(raw, presets):
    # They go on top of the quick run.
    raw["grid"] |= yaml.safe_load((REPOSITORY / "config.yaml").read_text())["grid"]
    for preset in presets.split():
        overlay = (REPOSITORY / "workflow" / "presets" / f"{preset}.yaml").read_text()
        _merge(raw, yaml.safe_load(overlay))
    load_config(raw, WORKFLOW)


@pytest.mark.parametrize("preset", ["paper", "paper-points", "paper-sample"])
def test_what_a_preset_of_the_paper_adds_is_run(raw, preset):
    # Tags are not inherited: an entry without its own stood in no grid, and the map lacked it.
    raw["grid"] |= yaml.safe_load((REPOSITORY / "config.yaml").read_text())["grid"]
    overlay = yaml.safe_load((WORKFLOW / "presets" / f"{preset}.yaml").read_text())
    _merge(raw, overlay)
    config = load_config(raw, WORKFLOW)
    grids = list(all_grids(config).values())
    run = {
        kind: {name for grid in grids for name in grid[kind]}
        for kind in ("attacks", "defences", "classifiers")
    }
    run["classifiers"] |= {config["attacks"][name]["surrogate"] for name in run["attacks"]}
    run["autoencoders"] = {config["defences"][name]["autoencoder"] for name in run["defences"]}
    for kind, used in run.items():
        catalogue = {path.stem for path in (WORKFLOW / "catalogue" / kind).glob("*.yaml")}
        assert set(overlay.get(kind, {})) - catalogue <= used, kind


def test_the_configuration_shows_the_quick_run_and_no_more():
    text = (REPOSITORY / "config.yaml").read_text()
    assert len(text.splitlines()) <= 80
    assert not {"attacks", "defences", "classifiers", "autoencoders"} & yaml.safe_load(text).keys()


def own_catalogue(folder, text):
    (folder / "attacks").mkdir(parents=True)
    (folder / "attacks" / "mine.yaml").write_text(text)
    return str(folder)


def test_methods_of_ones_own_lie_in_a_folder_anywhere(raw, tmp_path):
    raw["catalogue"] = [own_catalogue(tmp_path / "mine", "extends: greedy\nlabel: Mine\n")]
    raw["grid"]["attacks"] = ["mine"]
    attack = load_config(raw, WORKFLOW)["attacks"]["mine"]
    assert attack["class"] == "dokunuki.attacks.greedy.GreedyCombinedSelection"
    assert (attack["label"], attack["tags"]) == ("Mine", [])


def test_a_wrong_key_in_a_file_of_the_catalogue_names_the_file(raw, tmp_path):
    raw["catalogue"] = [own_catalogue(tmp_path / "mine", "clas: x.Y\n")]
    with pytest.raises(ConfigError, match=r"attacks\.mine\.clas \(.*mine\.yaml\): unknown key"):
        load_config(raw, WORKFLOW)


OWN_ATTACK = """
class Mine:
    def __init__(self, most=64):
        self.most = most

    def longest(self, layout):
        return min(self.most, layout.width)


class NoAttack:
    pass
"""


def test_how_long_a_trigger_can_be_is_asked_of_the_attacks_class(raw, tmp_path, monkeypatch):
    (tmp_path / "an_attack_of_mine.py").write_text(OWN_ATTACK)
    monkeypatch.syspath_prepend(tmp_path)
    raw["attacks"] = {"mine": {"class": "an_attack_of_mine.Mine"}}
    raw["grid"] |= {"attacks": ["mine"], "trigger_sizes": [64], "fixed_trigger_size": 64}
    load_config(raw, WORKFLOW)
    raw["attacks"]["mine"]["params"] = {"most": 63}
    with pytest.raises(ConfigError, match=r"a trigger of 64 .* the 63 features that attacks\.mine"):
        load_config(raw, WORKFLOW)
    raw["attacks"]["mine"]["params"] = {"mots": 63}
    with pytest.raises(ConfigError, match=r"attacks\.mine: .*no parameter 'mots'; .*'most'"):
        load_config(raw, WORKFLOW)
    raw["attacks"]["mine"] = {"class": "an_attack_of_mine.NoAttack"}
    with pytest.raises(ConfigError, match=r"attacks\.mine: .* has no method longest"):
        load_config(raw, WORKFLOW)


def test_an_attack_whose_package_is_elsewhere_is_left_to_its_jobs(raw, tmp_path, monkeypatch):
    (tmp_path / "needs_a_package.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    raw["attacks"] = {"mine": {"class": "needs_a_package.Mine"}}
    raw["grid"]["attacks"] = ["mine"]
    load_config(raw, WORKFLOW)


@pytest.mark.parametrize("entry", [{"label": "x"}, {"class": "a.B", "steps": ["ae"]}])
def test_a_defence_is_a_class_or_steps(raw, entry):
    raw["defences"] = {"mine": entry}
    with pytest.raises(ConfigError, match=r"defences\.mine: needs either a class or steps"):
        load_config(raw, WORKFLOW)


def test_what_is_written_down_of_a_run_is_what_it_used_and_gives_the_same(raw):
    raw["grid"]["defences"] = ["none", "mdr-cross-examination"]
    raw["grid"]["attacks"] = ["independent-lightgbm"]
    config = load_config(raw, WORKFLOW)
    used = used_methods(config)
    assert set(used["defences"]) == {"none", "mdr-cross-examination", "mdr", "cross-examination"}
    assert set(used["classifiers"]) == {"embernn", "lightgbm"}
    assert used["autoencoders"] == {}
    assert load_config(used, WORKFLOW) == config


def test_parsing_imports_nothing_heavy():
    program = (
        "import sys, yaml; from dokunuki.study import configuration, results, specs\n"
        "config = configuration.load_config(yaml.safe_load(open('config.yaml')), 'workflow')\n"
        "config['grid'] |= {'attacks': list(config['attacks']), 'trigger_sizes': [1]}\n"
        "config['grid']['fixed_trigger_size'] = 1\n"
        "configuration.load_config(config, 'workflow'); results.benchmark_study(config)\n"
        "heavy = 'torch pandas sklearn scipy matplotlib jinja2 lightgbm h5py'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
