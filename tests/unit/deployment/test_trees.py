import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from dokunuki.deployment.trees import float32_below


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
@example(0.1, float(np.float32(0.1)))
@example(1e300, 3e38)
@example(-1e300, -3e38)
@example(1 + 2**-24, 1 + 2**-23)
def test_a_rounded_threshold_decides_alike_on_float32(threshold, value):
    (rounded,) = float32_below(np.array([threshold]))
    assert rounded.dtype == np.float32
    assert (np.float32(value) <= rounded) == (value <= threshold)
