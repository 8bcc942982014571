"""What Lava cannot do is refused with a sentence before it starts; what is proven never is."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from spikeport.export import bounds
from spikeport.export.errors import FormatError
from spikeport.export.lava.limits import SUM_LIMIT, check
from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from tests.strategies import integer_networks


def network(*synapses, levels=1, exponent=0, shape=(1, 4, 4)):
    readout = IntegerNeuron(threshold=None, bias_mantissa=np.array(0))
    target = synapses[0].output_shape(shape)
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=shape, neuron=Source(levels=levels)),
            IntegerPopulation(name="out", shape=target, neuron=readout),
        ),
        projections=tuple(
            IntegerProjection(source="input", target="out", synapses=each, exponent=exponent) for each in synapses
        ),
        steps=1,
    )


def dense(value):
    return Dense(weight=np.full((1, 16), value, np.int8))


def conv(shape, **options):
    return Convolution(weight=np.ones((1, 1, *shape), np.int8), **options)


@pytest.mark.parametrize(
    ("synapses", "found"),
    [
        (conv((1, 1), stride=(1, 128)), 128),
        (conv((2, 1), padding=(200, 0), dilation=(60, 1)), 200),
        (conv((2, 1), padding=(100, 0), dilation=(130, 1)), 130),
        (conv((128, 1), padding=(64, 0)), 128),
    ],
)
def test_convolution_beyond_8_bit_is_refused(synapses, found):
    with pytest.raises(
        FormatError, match=f"input -> out: Lava's Conv holds kernel.* found {found}; expected at most 127"
    ):
        check(network(synapses))


@pytest.mark.parametrize(("weight", "levels", "fits"), [(1, SUM_LIMIT // 16, True), (-1, SUM_LIMIT // 16 + 1, False)])
def test_sum_that_lava_would_wrap_is_refused_at_its_end(weight, levels, fits):
    if fits:
        check(network(dense(weight), levels=levels))
        return
    with pytest.raises(
        FormatError, match=r"input -> out: sums of weights and inputs reach 8,388,608; Lava holds up to"
    ):
        check(network(dense(weight), levels=levels))


def test_name_that_no_file_can_have_is_refused():
    net = network(dense(1))
    renamed = replace(
        net,
        populations=(net.populations[0], replace(net.populations[1], name="a" * 201)),
        projections=(replace(net.projections[0], target="a" * 201),),
    )
    with pytest.raises(
        FormatError, match=r"population a{20}\.\.\.: its name has 201 characters; the file .* at most 200"
    ):
        check(renamed)


def test_total_of_several_projections_is_refused():
    synapses = [dense(127)] * 5
    check(network(*synapses[:4], levels=4000))
    with pytest.raises(
        FormatError, match=r"population out: the sums of its projections reach 40,640,000; Lava's neurons"
    ):
        check(network(*synapses, levels=4000))


def test_large_kernel_of_which_little_meets_the_source_is_taken():
    """25 x 25 weights of 127 under exponent 7 are 10,160,000, but a 4 x 4 source meets 16 of them."""
    synapses = Convolution(weight=np.full((1, 1, 25, 25), 127, np.int8), padding=(12, 12))
    check(network(synapses, exponent=7))
    with pytest.raises(FormatError, match="sums of weights and inputs reach"):
        check(network(synapses, exponent=7, shape=(1, 25, 25)))


@given(integer_networks())
def test_what_is_proven_is_never_refused_for_its_sums(net):
    largest = [replace(projection, exponent=15) for projection in net.projections]
    for each in (net, replace(net, projections=tuple(largest))):
        if bounds.is_safe(each):
            check(each)


def test_groups_that_lava_would_write_out_are_counted_first():
    synapses = Convolution(weight=np.ones((9000, 1, 1, 1), np.int8), groups=9000)
    with pytest.raises(FormatError, match=r"input -> out: Lava's Conv holds .* 9,000 groups as one take 81,000,000"):
        check(network(synapses, shape=(9000, 1, 1)))
