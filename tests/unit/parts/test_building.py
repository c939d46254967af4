import gc
import sys
from contextlib import nullcontext

import lightgbm
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.autoencoder import AutoencoderCode
from dokunuki.defences.deletion import Deletion
from dokunuki.errors import ConfigError
from dokunuki.networks.autoencoder import AutoencoderModel
from dokunuki.networks.embernn import EmberNN
from dokunuki.parts.building import build, classes_of, load_class, path_of

CONTEXT = {
    "layout": feature_layout(1),
    "seed": 5,
    "device": "cpu",
    "threads": 2,
    "autoencoder": None,
}


def test_loads_classes_of_ours_and_of_others():
    assert load_class("dokunuki.networks.embernn.EmberNN") is EmberNN
    assert load_class("sklearn.ensemble.RandomForestClassifier") is RandomForestClassifier


def test_path_leads_back_to_the_class():
    forest = RandomForestClassifier()
    assert load_class(path_of(forest)) is RandomForestClassifier


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("EmberNN", "not a dotted path"),
        ("nopackage.module.Class", "no module nopackage$"),
        ("dokunuki.defences.autoencodr.X", r"no module .*autoencodr; did you mean 'autoencoder'\?"),
        ("sklearn.ensemble.RandomForestClasifier", "did you mean 'RandomForestClassifier'"),
        ("sklearn.linear_model.LogisticRegression.more.Thing", "no module"),
        ("json.dumps", "is a function, not a class"),
    ],
)
def test_absent_names_are_explained(path, message):
    with pytest.raises(ConfigError, match=message):
        load_class(path)


def test_a_package_missing_inside_a_module_is_named(tmp_path, monkeypatch):
    (tmp_path / "needy_module.py").write_text("import absent_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"needy_module failed: no package 'absent_package'"):
        load_class("needy_module.Thing")


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("end", ["", "raise ValueError"])
def test_an_import_is_not_held_up_by_the_garbage_collector(tmp_path, monkeypatch, enabled, end):
    module = tmp_path / "collected.py"
    module.write_text(
        f"import gc, sys\nsys.seen_by_import = gc.isenabled()\n{end}\nclass Part: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "seen_by_import", None, raising=False)
    monkeypatch.delitem(sys.modules, "collected", raising=False)
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(ValueError) if end else nullcontext():  # noqa: PT011 - its own
            load_class("collected.Part")
        assert sys.seen_by_import is False
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
        sys.modules.pop("collected", None)


def test_each_class_gets_what_it_takes():
    network = build("dokunuki.networks.embernn.EmberNN", {"epochs": 3}, **CONTEXT)
    assert (network.epochs, network.seed, network.device, network.threads) == (3, 5, "cpu", 2)
    deletion = build("dokunuki.defences.deletion.Deletion", {}, **CONTEXT)
    assert isinstance(deletion, Deletion)
    assert deletion.layout is CONTEXT["layout"]
    assert isinstance(build("sklearn.decomposition.PCA", {}, **CONTEXT), PCA)


def test_the_autoencoder_is_handed_on():
    model = AutoencoderModel()
    context = CONTEXT | {"autoencoder": model}
    defence = build("dokunuki.defences.autoencoder.AutoencoderCode", {}, **context)
    assert isinstance(defence, AutoencoderCode)
    assert defence.autoencoder is model


def test_seed_and_threads_reach_scikit_learn_and_lightgbm():
    forest = build("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 7}, **CONTEXT)
    assert (forest.n_estimators, forest.random_state, forest.n_jobs) == (7, 5, 2)
    params = {"n_estimators": 7, "deterministic": True, "verbosity": -1}
    boosted = build("lightgbm.LGBMClassifier", params, **CONTEXT)
    assert isinstance(boosted, lightgbm.LGBMClassifier)
    assert (boosted.random_state, boosted.n_jobs) == (5, 2)
    assert boosted.get_params()["deterministic"] is True
    pca = build("sklearn.decomposition.PCA", {"n_components": 3}, **CONTEXT)
    assert isinstance(pca, PCA)
    assert pca.random_state == 5


def test_large_seeds_fit_a_random_state():
    forest = build("sklearn.ensemble.RandomForestClassifier", {}, seed=2**62 + 9)
    assert forest.random_state == 9


def test_params_win_over_the_context():
    forest = build("sklearn.ensemble.RandomForestClassifier", {"random_state": 1}, **CONTEXT)
    assert forest.random_state == 1


def test_unknown_and_missing_parameters_are_named():
    with pytest.raises(ConfigError, match=r"EmberNN: has no parameter 'epoch'; did you mean 'epoc"):
        build("dokunuki.networks.embernn.EmberNN", {"epoch": 3}, **CONTEXT)
    with pytest.raises(ConfigError, match="Deletion: needs parameter 'layout'"):
        build("dokunuki.defences.deletion.Deletion", {})


def test_classes_deep_in_the_parameters_of_an_entry_are_found():
    entry = {
        "class": "a.Combination",
        "params": {"steps": [{"class": "b.Filter"}, {"class": "c.Network", "params": {"n": 1}}]},
        "label": "Any",
    }
    assert classes_of(entry) == ["a.Combination", "b.Filter", "c.Network"]
    assert classes_of({"class": "a.Plain", "params": {}}) == ["a.Plain"]
