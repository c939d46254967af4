import pytest

from dokunuki.corpus.scanning import WORTH_WORKERS
from dokunuki.errors import ConfigError, CorpusError
from dokunuki.study import specs


def test_a_part_is_its_class_and_parameters_and_not_its_label(configured):
    config = configured(defences={"mine": {"class": "a.B", "params": {"x": 1}, "label": "Mine"}})
    assert specs.part_spec(config, "defences", "mine") == {
        "name": "mine",
        "class": "a.B",
        "params": {"x": 1},
    }


@pytest.mark.promise(2)
def test_the_order_of_parameters_is_no_part_of_a_spec(configured):
    written = {"x": 1, "base": {"class": "a.C", "params": {"b": [{"d": 2, "c": 3}], "a": 0}}}
    other = {"base": {"params": {"a": 0, "b": [{"c": 3, "d": 2}]}, "class": "a.C"}, "x": 1}
    first, second = (
        specs.detector_spec(
            configured(defences={"mine": {"class": "a.B", "params": params}}), "mine", "embernn"
        )
        for params in (written, other)
    )
    # As text, since Snakemake compares the text of a parameter.
    assert repr(first) == repr(second)


def test_a_defence_is_its_steps_and_what_it_is_told(configured):
    config = configured(
        sample={"clean_rows": 4},
        defences={
            "both": {
                "steps": ["mdr", "ae"],
                "tier": "clean-rows",
                "ledger": {"clean_rows": True, "tuned_on": "guesses"},
            }
        },
    )
    spec = specs.detector_spec(config, "both", "lightgbm")
    assert [step["class"].rpartition(".")[2] for step in spec["defence"]["steps"]] == [
        "MDR",
        "AutoencoderReconstruction",
    ]
    assert spec["defence"]["told"] == {"clean_rows": True, "poison": False}
    assert spec["autoencoder"]["name"] == "paper"
    assert specs.detector_spec(config, "none", "embernn")["autoencoder"] is None
    assert specs.method_classes(config, "defences", ["both", "none"]) == [
        step["class"] for step in spec["defence"]["steps"]
    ]


def test_classes_deep_in_parameters_count(configured):
    config = configured(
        attacks={"mine": {"class": "a.B", "params": {"model": {"class": "c.D", "params": {}}}}}
    )
    assert specs.method_classes(config, "attacks", ["mine"]) == ["a.B", "c.D"]


def test_an_attack_is_computed_once_for_all_sizes_and_rates(configured):
    grid = {"attacks": ["independent-tenth"], "trigger_sizes": [2], "poison_rates": [0, 12]}
    config = configured(grid=grid)
    spec = specs.attack_spec(config, "independent-tenth")
    assert (spec["size"], spec["rate"], spec["share"]) == (64, 12.0, 10.0)
    assert (spec["attack"]["name"], spec["rows"]) == ("independent-tenth", "attack")


def test_surrogates_are_named_by_classifier_and_share(configured):
    config = configured(attacks={"mine": {"extends": "independent-tenth", "surrogate": "lightgbm"}})
    assert specs.surrogate_id(config, "independent") == "embernn-10000"
    assert specs.surrogate_id(config, "mine") == "lightgbm-01000"
    assert specs.split_surrogate_id("lightgbm-regularised-06250") == ("lightgbm-regularised", 62.5)


def test_a_seed_stands_for_itself_where_nothing_else_is_said(configured):
    config = configured(seeds={3: {"poison": 7}})
    purposes = ("sample", "poison", "initialisation")
    assert [specs.job_seed(config, "3", purpose) for purpose in purposes] == [3, 7, 3]
    assert specs.job_seed(config, "4", "poison") == 4


def test_a_corpus_is_known_by_the_sizes_of_its_files(configured, tmp_path):
    config = configured()
    with pytest.raises(CorpusError):
        specs.corpus_spec(config, "ember")
    (tmp_path / "test_features.jsonl").write_text("x" * 12_000)
    (tmp_path / "train_features_0.jsonl").write_text("x" * 6_000)
    assert specs.corpus_spec(config, "ember")["sizes"] == {
        "train_features_0.jsonl": 6_000,
        "test_features.jsonl": 12_000,
    }
    assert specs.corpus_rows(config, "ember") == 3
    assert "sizes" not in specs.corpus_spec(config, "simulated")
    assert specs.release_path(config, "simulated") == "results/simulated/release"
    assert specs.corpus_rows(config, "simulated") == 12_000


def test_many_rows_in_files_of_json_lines_are_scanned_by_several_processes(configured, tmp_path):
    config = configured()
    assert specs.scan_threads(config, "simulated") == 1
    config["datasets"]["simulated"]["rows"] = 100_000
    assert specs.scan_threads(config, "simulated") == 4
    with (tmp_path / "train_features_0.jsonl").open("wb") as file:
        file.truncate(WORTH_WORKERS)
    assert specs.scan_threads(config, "ember") == 1
    with (tmp_path / "train_features_1.jsonl").open("wb") as file:
        file.truncate(WORTH_WORKERS)
    assert specs.scan_threads(config, "ember") == 4
    assert specs.corpus_rows(config, "ember") == pytest.approx(2 * WORTH_WORKERS / 6000)
    maps = tmp_path / "maps"
    maps.mkdir()
    for name in ("X_train.dat", "y_train.dat"):
        with (maps / name).open("wb") as file:
            file.truncate(4 * WORTH_WORKERS)
    config["datasets"]["ember"]["path"] = str(maps)
    assert specs.scan_threads(config, "ember") == 1


def test_types_of_files_decide_the_rows_of_version_3_alone(configured, tmp_path):
    folder = tmp_path / "weeks"
    for place in ("a", "b"):
        (folder / place).mkdir(parents=True)
        (folder / place / "2023-09-24_2023-09-30_Win32_train.jsonl").write_text("x" * 8_000)
    ember = {"kind": "ember", "path": str(folder), "version": 3, "file_types": ["Win32"]}
    config = configured(datasets={"ember": ember})
    spec = specs.corpus_spec(config, "ember")
    assert spec["file_types"] == ["Win32"]
    assert list(spec["sizes"].values()) == [8_000, 8_000]
    assert "file_types" not in specs.corpus_spec(config, "simulated")


def test_a_comparison_without_real_rows_says_how_to_give_them(configured):
    config = configured(realism={"real": "elsewhere"})
    with pytest.raises(ConfigError, match=r"datasets\.elsewhere\.path: .*make realism EMBER="):
        specs.real_rows(config)


def test_requests_of_time_follow_the_epochs_of_all_trainings(configured):
    config = configured(
        search={"classifiers": {"embernn": {"dropout": [0.2, 0.5], "epochs": [20, 30]}}},
        surrogate={"shap_samples": 25},
        classifiers={"embernn": {"params": {"epochs": 10}}},
    )
    assert specs.victim_epochs(config, "none", "embernn") == 10
    assert specs.victim_epochs(config, "iterative-clustering", "embernn") == 90
    assert specs.victim_epochs(config, "none", "random-forest") == 30
    assert specs.attack_epochs(config, "variation-ratio") == 50
    assert specs.attack_epochs(config, "greedy") == 0
    assert specs.trial_epochs(config, "classifiers") == 2 * 30
    assert specs.shap_share(config) == 0.5
    by_shap = configured(surrogate={"shap_samples": 25, "explainer": "shap"})
    assert specs.shap_share(by_shap) == 2.5


def test_a_simulated_corpus_is_its_own_keys_alone(configured):
    spec = specs.simulation_spec(configured(), "simulated", rows=10)
    assert spec["rows"] == 10
    assert not {"title", "kind", "path"} & spec.keys()
