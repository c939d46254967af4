import pytest
import yaml

from dokunuki.errors import ConfigError
from dokunuki.study.catalogue import (
    autoencoder_of,
    changed_entry,
    expand_tags,
    read_catalogue,
    resolve_extends,
    steps_of,
)


@pytest.fixture
def write(tmp_path):
    """A function: entries by kind and name into a folder of the catalogue."""

    def write(folder, **kinds):
        for kind, entries in kinds.items():
            (tmp_path / folder / kind).mkdir(parents=True, exist_ok=True)
            for name, entry in entries.items():
                text = entry if isinstance(entry, str) else yaml.safe_dump(entry)
                (tmp_path / folder / kind / f"{name}.yaml").write_text(text)
        return tmp_path / folder

    return write


def test_entries_are_files_by_kind_and_name(write):
    library = write("library", defences={"ae": {"class": "a.B"}}, attacks={"one": {"class": "c.D"}})
    mine = write("mine", defences={"mine": {"class": "e.F"}})
    catalogue, files = read_catalogue([library, mine])
    assert catalogue["defences"] == {"ae": {"class": "a.B"}, "mine": {"class": "e.F"}}
    assert catalogue["attacks"] == {"one": {"class": "c.D"}}
    assert catalogue["classifiers"] == {}
    assert files["defences", "mine"] == mine / "defences" / "mine.yaml"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("mine", "class: [a\nlabel: x", r"mine\.yaml, line 2: not valid YAML"),
        ("mine", "- a", r"mine\.yaml: must hold keys and values"),
        ("mine", "", r"mine\.yaml: must hold keys and values"),
        ("Mine_1", "class: a.B", r"'Mine_1' is not a valid name"),
        ("ae", "class: a.B", r"library.*ae\.yaml has this name too.*defences\.ae"),
    ],
)
def test_a_file_that_is_no_entry_is_named(write, name, text, message):
    library = write("library", defences={"ae": {"class": "a.B"}})
    mine = write("mine", defences={name: text})
    with pytest.raises(ConfigError, match=message):
        read_catalogue([library, mine])


def test_a_folder_without_entries_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"catalogue: .*nowhere holds no entry.*mine\.yaml"):
        read_catalogue([tmp_path / "nowhere"])


def test_an_overlay_changes_keys_and_a_class_of_its_own_stands_alone():
    entry = {"class": "a.B", "params": {"x": 1, "y": {"z": 2}}, "label": "A"}
    changed = changed_entry(entry, {"params": {"y": {"w": 3}}})
    assert changed == {**entry, "params": {"x": 1, "y": {"z": 2, "w": 3}}}
    assert changed_entry(entry, {"class": "a.B", "label": "C"}) == {**entry, "label": "C"}
    assert changed_entry(entry, {"class": "c.D"}) == {"class": "c.D"}
    assert entry["params"] == {"x": 1, "y": {"z": 2}}


def test_an_entry_takes_what_the_one_that_it_extends_has():
    section = {
        "one": {"class": "a.B", "params": {"x": 1, "y": 2}, "label": "One", "tags": ["t"]},
        "two": {"extends": "one", "params": {"y": 3}},
        "three": {"extends": "two", "label": "Three", "rows": "random"},
    }
    resolved = resolve_extends(section, "attacks")
    assert resolved["one"] == section["one"]
    assert resolved["two"] == {"class": "a.B", "params": {"x": 1, "y": 3}}
    assert resolved["three"] == {**resolved["two"], "label": "Three", "rows": "random"}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"ae": {}, "b": {"extends": "aee"}},
            r"defences\.b\.extends: unknown defence 'aee'; .*'ae'",
        ),
        ({"a": {"extends": "a"}}, r"defences\.a\.extends: 'a' leads back to this entry"),
        (
            {"a": {"extends": "b"}, "b": {"extends": "a"}},
            r"extends: '[ab]' leads back to this entry",
        ),
    ],
)
def test_what_cannot_be_extended_is_named(section, message):
    with pytest.raises(ConfigError, match=message):
        resolve_extends(section, "defences")


def test_tags_stand_for_the_entries_that_have_them_in_the_order_of_tables():
    section = {
        "zeta": {"tags": ["good"]},
        "beta": {"tags": ["good"], "family": "filter", "tier": "defence"},
        "alpha": {"tags": ["good"], "family": "representation", "tier": "ours"},
        "gamma": {"family": "filter", "tier": "bound"},
    }
    assert expand_tags(["tag:good"], section, "here") == ["zeta", "beta", "alpha"]
    assert expand_tags(["alpha", "tag:good", "other"], section, "here") == [
        *("alpha", "zeta", "beta", "other"),
    ]
    assert expand_tags(["tag:filter"], section, "here") == ["beta", "gamma"]
    assert expand_tags(["tag:ours"], section, "here") == ["alpha"]
    assert expand_tags(["tag:ranked"], section, "here") == ["beta", "alpha"]
    with pytest.raises(ConfigError, match=r"config: here: no entry has the tag 'god'; .*'good'"):
        expand_tags(["tag:god"], section, "here")


def test_steps_are_entries_with_a_class_and_share_one_autoencoder():
    defences = {
        "none": {"steps": []},
        "ae": {"class": "a.AE", "autoencoder": "paper"},
        "code": {"class": "a.Code", "autoencoder": "other"},
        "mdr": {"class": "a.MDR", "autoencoder": None},
        "both": {"steps": ["mdr", "ae"], "autoencoder": None},
        "all": {"steps": ["both", "mdr"]},
        "two": {"steps": ["ae", "code"]},
        "wrong": {"steps": ["aee"]},
        "round": {"steps": ["round"]},
    }
    assert steps_of(defences, "none") == []
    assert steps_of(defences, "all") == ["mdr", "ae", "mdr"]
    assert autoencoder_of(defences, "all") == "paper"
    assert autoencoder_of(defences, "mdr") is None
    with pytest.raises(ConfigError, match=r"defences\.two: its steps name .* paper, other"):
        autoencoder_of(defences, "two")
    with pytest.raises(ConfigError, match=r"defences\.wrong\.steps: unknown defence 'aee'; .*'ae'"):
        steps_of(defences, "wrong")
    with pytest.raises(ConfigError, match="'round' leads back to this defence"):
        steps_of(defences, "round")
