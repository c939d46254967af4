"""The settings with which the catalogue bounds LightGBM's memory do not change the trees."""

from pathlib import Path

import lightgbm
import numpy as np
import pytest
import yaml

CATALOGUE = Path(__file__).resolve().parents[2] / "workflow" / "catalogue" / "classifiers"


@pytest.fixture(scope="module")
def rows():
    """Columns of floats, of counts and of mostly zeros, as EMBER has them."""
    rng = np.random.default_rng(0)
    floats = rng.random((600, 20))
    counts = rng.poisson(3, (600, 20))
    sparse = rng.random((600, 40)) * (rng.random((600, 40)) < 0.05)
    X = np.hstack([floats, counts, sparse]).astype(np.float32)
    y = (floats[:, 0] + 0.1 * counts[:, 0] + 5 * sparse[:, 0] + 0.3 * rng.random(600) > 1).astype(
        int
    )
    return X, y


def trees(params, rows):
    model = lightgbm.LGBMClassifier(**params, random_state=0, n_jobs=2).fit(*rows)
    return model.booster_.model_to_string().split("\nparameters:")[0]


@pytest.mark.parametrize("name", ["lightgbm", "lightgbm-regularised"])
def test_histograms_by_column_and_fewer_rows_for_bins_give_the_same_trees(name, rows):
    params = yaml.safe_load((CATALOGUE / f"{name}.yaml").read_text())["params"]
    assert params.pop("force_col_wise")
    bounded = trees({**params, "force_col_wise": True}, rows)
    params.pop("subsample_for_bin")
    assert bounded == trees({**params, "force_row_wise": True}, rows)
    assert bounded != trees({**params, "force_col_wise": True, "subsample_for_bin": 60}, rows)
