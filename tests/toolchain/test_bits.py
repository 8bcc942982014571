"""One projection a bit adds up to that of the pixels, whatever stages there are."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.linear import apply
from spikeport.export.network import AveragePooling, Coding, Convolution, Dense, Normalization, Reshape, Source
from spikeport.export.stimulus.encoders import phase_bits
from spikeport.toolchain.bits import by_bit, channels_of
from tests.strategies import EXAMPLES, cases


def through(stages, values):
    for stage in stages:
        values = apply(stage, values)
    return values


def stages_of(rng, *, flat):
    shift = [Normalization(scale=rng.uniform(1, 3, 2), shift=rng.normal(size=2)), AveragePooling(size=(2, 2))]
    if flat:
        return [*shift, Reshape(shape=(8,)), Dense(weight=rng.normal(size=(5, 8)))]
    convolution = Convolution(weight=rng.normal(size=(3, 2, 3, 3)), padding=(1, 1))
    return [*shift, convolution, Normalization(scale=rng.uniform(1, 2, 3), shift=rng.normal(size=3))]


@given(st.integers(0, 2**16), st.booleans())
@cases(EXAMPLES)
def test_sums_of_all_bits_are_those_of_the_pixels(seed, flat):
    rng = np.random.default_rng(seed)
    stages, levels = stages_of(rng, flat=flat), rng.integers(0, 256, (2, 4, 4))
    bits = phase_bits.encode(levels / 255, 8, rng).sum(axis=0)[None].astype(float)
    found = sum(through(each, bits) for each in by_bit(stages, 2, 8))
    assert np.allclose(found, through(stages, levels[None] / 255))


def test_other_sources_keep_their_projection():
    stages = stages_of(np.random.default_rng(0), flat=False)
    assert by_bit(stages, 2, 1) == [stages]
    assert channels_of(Source()) == 1
    assert channels_of(Source(levels=1, unit=1.0, coding=Coding(encoder="poisson"))) == 1
    assert channels_of(Source(levels=1, unit=1.0, coding=Coding(encoder="phase_bits"))) == 8
