"""Stratified orders."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikeport.toolchain.data.splitting import cut, stratified_order
from spikeport.toolchain.data.splitting import test_rows as rows_to_test
from tests.strategies import cases, seeds

labels = st.lists(st.integers(0, 4), min_size=2, max_size=80).map(np.array)


@cases(100)
@given(labels, seeds)
def test_every_beginning_holds_the_classes_nearly_as_the_whole(values, seed):
    order = stratified_order(values, seed)
    assert sorted(order) == list(range(len(values)))
    whole = np.bincount(values, minlength=5)
    for count in range(1, len(values) + 1):
        part = np.bincount(values[order[:count]], minlength=5)
        assert np.all(np.abs(part - count * whole / len(values)) <= np.count_nonzero(whole))
        if count >= np.count_nonzero(whole):
            assert np.all(part[whole > 0] > 0)


@cases(100)
@given(labels, seeds, st.floats(0, 0.9), st.one_of(st.none(), st.integers(2, 100)))
def test_a_cut_parts_the_rows_and_both_parts_are_ascending(values, seed, share, limit):
    train, held = cut(values, seed=seed, limit=limit, share=share)
    total = min(len(values), limit or len(values))
    assert len(train) + len(held) == total == len({*train, *held})
    assert len(held) == (max(1, round(share * total)) if share else 0)
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(held) > 0)


def test_another_seed_gives_another_order_but_never_another_test_split():
    values = np.arange(100) % 10
    assert not np.array_equal(stratified_order(values, 0), stratified_order(values, 1))
    assert np.array_equal(rows_to_test(values, 0.2)[1], rows_to_test(values, 0.2)[1])
    assert np.bincount(values[rows_to_test(values, 0.2)[1]]).tolist() == [2] * 10
