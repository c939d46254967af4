import os
import sys
from importlib import import_module
from pathlib import Path

import pytest

from dokunuki.study import provenance
from dokunuki.study.provenance import code_digests

SCRIPTS = Path(__file__).resolve().parents[3] / "workflow" / "scripts"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of four modules: the script uses a, a uses b inside a function, c stands alone."""
    folder = tmp_path / "dokunuki"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "deep" / "__init__.py").write_text("")
    (folder / "a.py").write_text("def f():\n    from dokunuki.deep import b\n    return b.x\n")
    (folder / "deep" / "b.py").write_text('"""Words."""\nx = 1  # one\n')
    (folder / "c.py").write_text("import numpy\nx = 2\n")
    (tmp_path / "script.py").write_text("import dokunuki.a\n")
    monkeypatch.setattr(provenance, "_ROOTS", [tmp_path])

    def forget():
        for kept in (provenance._parsed, provenance._module_path, provenance._data_digests):
            kept.cache_clear()

    def digests(*parts):
        forget()
        return code_digests(tmp_path / "script.py", *parts)

    yield folder, digests
    forget()


def test_imports_are_followed_and_named_parts_are_added(package):
    _, digests = package
    packages = ["dokunuki", "dokunuki.deep"]
    modules = ["script.py", "dokunuki.a", "dokunuki.deep.b", *packages]
    assert set(digests()) == set(modules)
    assert set(digests("dokunuki.c.Class")) == {*modules, "dokunuki.c"}
    assert set(digests("sklearn.svm.SVC")) == set(modules)


def test_own_parts_beside_the_package_are_followed(package):
    folder, digests = package
    own = folder.parent / "own"
    own.mkdir()
    (own / "__init__.py").write_text("")
    (own / "defence.py").write_text("from .helper import y\nfrom . import other\n")
    (own / "helper.py").write_text("import dokunuki.c\n")
    (own / "other.py").write_text("")
    followed = {"own", "own.defence", "own.helper", "own.other", "dokunuki.c"}
    assert set(digests("own.defence.Class")) - set(digests()) == followed


def test_modules_in_the_users_own_folders_are_followed_and_imported(package, tmp_path, monkeypatch):
    _, digests = package
    before = set(digests())
    folder = tmp_path / "methods"
    folder.mkdir()
    (folder / "a_method_of_mine.py").write_text("import dokunuki.c\nimport my_helper\nx = 1\n")
    (folder / "my_helper.py").write_text("")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    provenance.offer_library([folder])
    followed = {"a_method_of_mine", "my_helper", "dokunuki.c"}
    assert set(digests("a_method_of_mine.Class")) - before == followed
    assert os.environ["PYTHONPATH"] == os.pathsep.join([str(tmp_path), str(folder), "elsewhere"])
    with pytest.raises(ModuleNotFoundError, match=r"dokunuki\.c"):
        import_module("a_method_of_mine")


@pytest.mark.promise(1)
@pytest.mark.parametrize(
    ("edit", "changes"),
    [
        ('"""Other words."""\nx = 1  # uno\n', False),
        ('"""Words."""\n\n\nx = (1)\n', False),
        ('"""Words."""\nfrom typing import TYPE_CHECKING\nx = 1\n', True),
        ('"""Words."""\nx = 2\n', True),
    ],
)
def test_only_what_runs_counts(package, edit, changes):
    folder, digests = package
    before = digests()
    (folder / "deep" / "b.py").write_text(edit)
    assert (digests() != before) == changes


def test_data_of_a_followed_package_count_by_their_bytes(package):
    folder, digests = package
    own = folder.parent / "own"
    (own / "data" / "deep").mkdir(parents=True)
    (own / "__init__.py").write_text("")
    (own / "module.py").write_text("")
    for name in ("names.yaml", "deep/use.csv", ".names.yaml.swp", "code.py"):
        (own / "data" / name).write_text("a: 1\n")
    (folder / "deep" / "data.yaml").write_text("a: 1\n")  # in no folder of that name
    before = digests("own.module.Class")
    data = {"own/data/names.yaml", "own/data/deep/use.csv"}
    assert before.keys() - digests().keys() == {"own", "own.module", *data}
    (own / "data" / "names.yaml").write_text("a: 1  # one\n")
    after = digests("own.module.Class")
    assert {name for name in after if after[name] != before[name]} == {"own/data/names.yaml"}
    (own / "data" / "new.csv").write_text("")
    assert digests("own.module.Class").keys() - after.keys() == {"own/data/new.csv"}


def test_only_the_simulation_depends_on_its_data():
    def depends(script: str) -> bool:
        return any(name.startswith("simember") for name in code_digests(SCRIPTS / script))

    assert [path.name for path in SCRIPTS.glob("*.py") if depends(path.name)] == [
        "simulate_corpus.py"
    ]
    simulation = code_digests(SCRIPTS / "simulate_corpus.py")
    assert {"simember.generator", "simember/data/toolchains.yaml"} <= simulation.keys()


def test_code_for_type_checkers_does_not_count(package):
    folder, digests = package
    guarded = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {}\nx = 1\n"
    (folder / "deep" / "b.py").write_text(guarded.format("dokunuki.c"))
    before = digests()
    assert "dokunuki.c" not in before
    (folder / "deep" / "b.py").write_text(guarded.format("os"))
    assert digests() == before


def test_jobs_depend_on_what_they_run_and_on_nothing_beside_it():
    victim = code_digests(SCRIPTS / "train_victim.py", "dokunuki.defences.deletion.Deletion")
    assert {"dokunuki.defences.deletion", "dokunuki.detector", "train_victim.py"} <= victim.keys()
    # Editing these must not train anything again.
    for module in ("defences.autoencoder", "evaluation.measures", "evaluation.metrics"):
        assert f"dokunuki.{module}" not in victim
    metrics = code_digests(SCRIPTS / "collect_metrics.py")
    assert "dokunuki.evaluation.measures" in metrics
    assert "dokunuki.networks.training" not in metrics
