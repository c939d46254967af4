import numpy as np
import pytest
from sklearn.base import clone

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.deletion import Deletion
from dokunuki.errors import ConfigError


@pytest.mark.parametrize("version", [1, 2])
def test_only_the_byte_histograms_are_left(rng, version):
    layout = feature_layout(version)
    X = rng.normal(size=(3, layout.width)).astype(np.float32)
    kept = clone(Deletion(layout)).fit(X).transform(X)
    assert kept.shape == (3, 512)
    assert kept.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(kept[:, :256], X[:, layout.groups["histogram"]])
    np.testing.assert_array_equal(kept[:, 256:], X[:, layout.groups["byteentropy"]])


def test_a_trigger_changes_nothing_after_deletion(rng):
    layout = feature_layout(1)
    X = rng.normal(size=(3, layout.width)).astype(np.float32)
    stamped = X.copy()
    stamped[:, layout.attackable] = 9.0
    defence = Deletion(layout).fit(X)
    np.testing.assert_array_equal(defence.transform(stamped), defence.transform(X))


def test_a_region_of_its_own_is_deleted_and_the_rest_keeps_its_order(rng):
    layout = feature_layout(1)
    X = rng.normal(size=(3, layout.width)).astype(np.float32)
    kept = Deletion(layout, region="non_hashed").fit(X).transform(X)
    np.testing.assert_array_equal(kept, np.delete(X, layout.non_hashed, axis=1))
    with pytest.raises(ConfigError, match="unknown region 'bytes'"):
        Deletion(layout, region="bytes").fit(X)


def test_it_loads_as_it_was_saved(rng, tmp_path):
    layout = feature_layout(2)
    Deletion(layout, region="feasible").save(tmp_path / "deletion.safetensors")
    loaded = Deletion.load(tmp_path / "deletion.safetensors")
    assert loaded.layout == layout
    assert loaded.region == "feasible"
