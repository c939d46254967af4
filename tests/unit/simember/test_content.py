from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simember.content import Noise, draw_content, entropy, kind_indices
from simember.tables import KINDS


def drawn(kinds: list[str], sizes: list[int], seed: int = 0):
    noise = Noise.draw(np.random.default_rng(seed), len(sizes))
    return draw_content(kind_indices(kinds), sizes, noise)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(KINDS)), st.integers(1, 60_000)), min_size=1, max_size=9
    ),
    st.integers(0, 5),
)
def test_both_histograms_describe_the_same_file(parts, seed):
    sizes = [size for _, size in parts]
    content = drawn([kind for kind, _ in parts], sizes, seed)
    size = sum(sizes)
    table = content.byte_entropy.reshape(16, 16)
    assert content.parts.sum(axis=1).tolist() == sizes
    assert content.histogram.min() >= 0
    assert table.sum() == (((size - 2048) // 1024 + 1) * 2048 if size >= 2048 else size)
    left = 2 * content.histogram.reshape(16, 16).sum(axis=1) - table.sum(axis=0)
    assert left.min() >= 0
    assert (content.characters <= content.histogram[32:128]).all()
    assert 5 * content.strings <= content.characters.sum()


def test_windows_of_a_file_of_zeros_worked_by_hand():
    content = drawn(["zero"], [5000])
    # Windows start at 0, 1024 and 2048 (the next would end at 5120): three of 2,048 zero bytes.
    assert content.byte_entropy[0] == 3 * 2048
    assert content.byte_entropy[1:].sum() == 0
    assert content.histogram[0] == 5000


def test_windows_across_a_boundary_see_both_parts():
    content = drawn(["zero", "packed"], [2048, 2048])
    lines = content.byte_entropy.reshape(16, 16).sum(axis=1) // 2048
    assert lines[0] == 1  # zeros alone
    assert lines[15] == 1  # random bytes alone: nearly eight bits
    assert lines.sum() == 3  # and one window that is half and half
    assert lines[8:14].sum() == 1


def test_a_long_part_repeats_its_motif_exactly():
    content = drawn(["x86"], [1024 * 1000])
    assert content.byte_entropy.sum() == 999 * 2048


def test_packed_bytes_spell_strings_as_chance_does():
    content = drawn(["packed"], [4_000_000])
    # A run of five printable bytes (96 of 256) begins at 0.375^5 * 0.625 of all places.
    assert content.strings == pytest.approx(4e6 * 0.375**5 * 0.625, rel=0.5)
    assert content.characters.sum() / content.strings == pytest.approx(5.6, rel=0.1)
    assert entropy(content.characters) > 6.5


def test_variants_share_most_of_their_content():
    rng = np.random.default_rng(3)
    noise, other = Noise.draw(rng, 2), Noise.draw(rng, 2)
    kinds, sizes = kind_indices(["x86", "icon"]), [40_000, 9_000]
    original = draw_content(kinds, sizes, noise).histogram
    near = draw_content(kinds, sizes, noise.blend(other, 0.01)).histogram
    far = draw_content(kinds, sizes, other).histogram
    assert np.abs(near - original).sum() < 0.3 * np.abs(far - original).sum()
    assert (noise.blend(other, 0.0).bytes == noise.bytes).all()


def test_noise_of_the_first_parts_does_not_depend_on_their_number():
    few, many = (Noise.draw(np.random.default_rng(1), parts) for parts in (2, 5))
    assert (few.blocks == many.blocks[:2]).all()
    assert (few.strings == many.strings[:2]).all()


@pytest.mark.parametrize("name", sorted(KINDS))
def test_tables_are_distributions(name):
    assert KINDS[name].bytes.shape == (256,)
    assert KINDS[name].bytes.sum() == pytest.approx(1)
    assert KINDS[name].characters.shape == (96,)
    assert KINDS[name].characters.sum() == pytest.approx(1)
    assert (KINDS[name].bytes >= 0).all()
