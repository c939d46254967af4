import numpy as np
import pytest

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.hdbscan_filter import HDBSCANFilter
from loud_poison import loud_rows, removed_by

LAYOUT = feature_layout(1)


def rows(poisoned):
    """Goodware and poison that are tight clusters each, whose rows are more than noise."""
    X, y, poison = loud_rows(
        0, 300, LAYOUT.width, LAYOUT.non_hashed[20:], poisoned, True, LAYOUT.non_hashed[:8]
    )
    X[np.ix_(poison, LAYOUT.non_hashed[8:20])] *= 0.1
    X[np.ix_(poison, LAYOUT.non_hashed[:8])] *= 0.1
    return X, y, poison


@pytest.mark.parametrize(("kept", "least", "most"), [(0.0, 1.0, 1.0), (0.2, 0.5, 0.99)])
def test_a_tight_small_cluster_is_thinned_out(kept, least, most):
    X, y, poison = rows(20)
    removed = removed_by(HDBSCANFilter(LAYOUT, kept=kept, cluster=2, neighbours=1), X, y)
    assert least <= removed[poison].mean() <= most
    assert removed[~poison].sum() <= 3


def test_clusters_larger_than_the_largest_stay():
    X, y, _ = rows(20)
    ours = HDBSCANFilter(LAYOUT, cluster=2, neighbours=1, largest_cluster=5)
    assert not removed_by(ours, X, y).any()


def test_one_cluster_has_no_silhouette_and_stays():
    X, y, _ = rows(0)
    assert not removed_by(HDBSCANFilter(LAYOUT, cluster=30), X, y).any()
