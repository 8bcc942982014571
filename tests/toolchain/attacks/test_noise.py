"""Random numbers of an image that depend on its seed alone."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeport.toolchain.attacks.noise import each_image, normal, uniform
from tests.strategies import cases


@given(
    seeds=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=6, unique=True),
    draw=st.sampled_from([uniform, normal]),
    shape=st.sampled_from([(3,), (2, 4, 4), (40,)]),
    data=st.data(),
)
@cases(100)
def test_numbers_of_an_image_are_the_same_in_any_batch(seeds, draw, shape, data):
    whole = draw(torch.empty(len(seeds), *shape), each_image(seeds))
    chosen = data.draw(st.lists(st.sampled_from(range(len(seeds))), min_size=1, unique=True))
    part = draw(torch.empty(len(chosen), *shape), each_image([seeds[number] for number in chosen]))
    assert torch.equal(part, whole[chosen])
    assert len(seeds) == 1 or not torch.equal(whole[0], whole[1])
