"""Chains of linear stages as one: equal sums on whole numbers, and a convolution wherever one can say it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import archive
from spikeport.export.executors import floating
from spikeport.export.geometry import fan_out
from spikeport.export.linear import apply
from spikeport.export.network import (
    AveragePooling,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Normalization,
    Reshape,
    Source,
)
from spikeport.export.passes import fold_synapses, folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.strategies import chains, seeds


def joined(stages, shape):
    """Return a network of one projection into neurons that only sum up."""
    return FloatNetwork(
        populations=(
            FloatPopulation(name="input", shape=shape, neuron=Source(levels=1, unit=1.0)),
            FloatPopulation(name="a", shape=shapes_of(stages, shape)[-1], neuron=FloatNeuron(threshold=None)),
        ),
        projections=(FloatProjection(source="input", target="a", stages=tuple(stages)),),
        steps=1,
    )


def shapes_of(stages, shape):
    shapes = [shape]
    for stage in stages:
        shapes.append(stage.output_shape(shapes[-1]))
    return shapes


def one_stage(stages, shape):
    (stage,) = fold_synapses(joined(stages, shape)).projections[0].stages
    return stage


def after_all(stages, values):
    for stage in stages:
        values = apply(stage, values)
    return values


def matrix_of(stages, shape):
    """Return the weights (targets, sources) of a chain from its sums of one source each."""
    size = math.prod(shape)
    return after_all(stages, np.eye(size).reshape(size, *shape)).reshape(size, -1).T


def shares_a_kernel(matrix, source, target, stride):
    """Return whether all weights at one distance between target and source are equal, looked up one by one."""
    seen = {}
    for (o, y, x), row in zip(np.ndindex(*target), matrix, strict=True):
        for (c, v, w), weight in zip(np.ndindex(*source), row.tolist(), strict=True):
            place = (o, c, v - y * stride[0], w - x * stride[1])
            if seen.setdefault(place, weight) != weight:
                return False
    return True


@given(chains(), seeds)
def test_sums_are_equal_and_no_form_takes_more(chain, seed):
    shape, stages = chain
    values = np.random.default_rng(seed).integers(-9, 10, (3, *shape)).astype(float)
    stage, matrix = one_stage(stages, shape), matrix_of(stages, shape)
    expected = after_all(stages, values)
    assert np.array_equal(apply(stage, values).reshape(3, -1), expected.reshape(3, -1))
    assert stage.weight.size <= matrix.size
    synapses = fan_out(stage, shape, stage.output_shape(shape)).sum()
    assert synapses == np.count_nonzero(matrix)
    if isinstance(stage, Convolution) and not any(isinstance(each, Reshape) for each in stages):
        assert stage.output_shape(shape) == expected.shape[1:]


@given(chains(most=3))
def test_dense_is_only_what_shares_no_kernel_or_has_fewer_weights(chain):
    """Every chain of pooling and convolutions that became a matrix has weights that differ at one distance."""
    shape, stages = chain
    stage = one_stage(stages, shape)
    if isinstance(stage, Convolution) or not all(isinstance(each, Convolution | AveragePooling) for each in stages):
        return
    target = shapes_of(stages, shape)[-1]
    steps = [each.stride if isinstance(each, Convolution) else each.size for each in stages]
    stride = tuple(math.prod(step[axis] for step in steps) for axis in (0, 1))
    matrix = matrix_of(stages, shape)
    spans = [step * (side - 1) + own for step, side, own in zip(stride, target[1:], shape[1:], strict=True)]
    shared = shares_a_kernel(matrix, shape, target, stride)
    assert not shared or target[0] * shape[0] * math.prod(spans) > matrix.size


def rewritten(stage, channels):
    """Return an equal stage written in another way: zeros around the kernel, between taps and between groups."""
    if isinstance(stage, AveragePooling):
        value = 1 / math.prod(stage.size)
        stage = Convolution(weight=np.full((channels, 1, *stage.size), value), stride=stage.size, groups=channels)
    outputs, inside, *sides = stage.weight.shape
    sides = [(side - 1) * step + 1 for side, step in zip(sides, stage.dilation, strict=True)]
    full = np.zeros((outputs, inside * stage.groups, *sides))
    for target in range(outputs):
        first = target * stage.groups // outputs * inside
        full[target, first : first + inside, :: stage.dilation[0], :: stage.dilation[1]] = stage.weight[target]
    padding = tuple(border + 1 for border in stage.padding)
    return Convolution(weight=np.pad(full, ((0, 0), (0, 0), (1, 1), (1, 1))), stride=stage.stride, padding=padding)


@given(chains(most=3))
def test_equal_chains_give_equal_stages(chain):
    shape, stages = chain
    shapes = shapes_of(stages, shape)
    other = [
        stage if isinstance(stage, Dense | Reshape) else rewritten(stage, before[0])
        for stage, before in zip(stages, shapes, strict=False)
    ]
    first, second = one_stage(stages, shape), one_stage(other, shape)
    assert type(first) is type(second)
    assert np.array_equal(first.weight, second.weight)
    if isinstance(first, Convolution):
        for name in ("stride", "padding", "dilation", "groups"):
            assert getattr(first, name) == getattr(second, name)


@given(st.data(), chains(most=3), seeds)
def test_normalization_between_stages_keeps_every_potential(data, chain, seed):
    """Shifts before zero padding, pooling and changes of axes: the sums of one step, bias maps included."""
    shape, stages = chain
    rng, mixed = np.random.default_rng(seed), []
    for channels, behind in zip((before[0] for before in shapes_of(stages, shape)), (*stages, None), strict=True):
        if data.draw(st.booleans()):
            scale, shift = rng.integers(-2, 3, channels), rng.integers(-2, 3, channels)
            mixed.append(Normalization(scale=scale.astype(float), shift=shift.astype(float)))
        mixed += [behind] if behind else []
    before = joined(mixed, shape)
    driven = stimulus(rng.integers(0, 2, (2, 1, *shape)), before)
    expected, found = (record(floating.steps(each, driven))["a"] for each in (before, folded(before)))
    assert np.array_equal(expected, found)


IF = FloatNeuron(threshold=np.array(2.0))
MEAN, SUM = AveragePooling(size=(2, 2)), Convolution(weight=np.ones((3, 1, 2, 2)), stride=(2, 2), groups=3)


def kernel(*shape):
    return np.random.default_rng(len(shape) + shape[0]).integers(-9, 10, shape).astype(float)


def strided(stage):
    """Return taps, stride and padding of a convolution."""
    assert isinstance(stage, Convolution)
    return stage.weight.shape[2:], stage.stride, stage.padding


def test_convolution_then_mean_is_one_larger_kernel():
    """5 x 5, then 2 x 2: 6 x 6, each tap the mean of up to four."""
    first = Convolution(weight=kernel(3, 2, 5, 5), padding=(2, 2))
    stage = one_stage((first, MEAN), (2, 16, 16))
    assert strided(stage) == ((6, 6), (2, 2), (2, 2))
    shifted = [np.pad(first.weight, ((0, 0), (0, 0), (y, 1 - y), (x, 1 - x))) for y in (0, 1) for x in (0, 1)]
    assert np.array_equal(stage.weight, sum(shifted) / 4)


def test_sides_that_do_not_divide_are_still_a_convolution():
    """17 -> 8 by pooling, then 3 x 3 with stride 2 and padding 1: the last row is read by none of the outputs."""
    second = Convolution(weight=kernel(4, 3, 3, 3), stride=(2, 2), padding=(1, 1))
    stage = one_stage((SUM, second), (3, 17, 17))
    assert strided(stage) == ((6, 6), (4, 4), (2, 2))
    assert np.array_equal(stage.weight, np.kron(second.weight, np.ones((2, 2))))


def test_the_row_that_pooling_leaves_out_is_not_read_by_padding():
    """With stride 1 the last output's padding lies where the source still has a row: no kernel can leave that out."""
    second = Convolution(weight=kernel(4, 3, 3, 3), padding=(1, 1))
    assert isinstance(one_stage((SUM, second), (3, 17, 17)), Dense)
    assert strided(one_stage((SUM, second), (3, 16, 16))) == ((6, 6), (2, 2), (2, 2))


@pytest.mark.parametrize(
    ("stages", "shape", "expected", "groups"),
    [
        ((SUM,), (3, 8, 8), ((2, 2), (2, 2), (0, 0)), 3),
        ((SUM, SUM), (3, 8, 8), ((4, 4), (4, 4), (0, 0)), 3),
        ((Convolution(weight=kernel(3, 1, 3, 3), groups=3), Convolution(weight=kernel(5, 3, 1, 1))), (3, 8, 8),
         ((3, 3), (1, 1), (0, 0)), 1),
        ((Convolution(weight=kernel(4, 2, 1, 1)), Convolution(weight=kernel(4, 2, 3, 3), padding=(1, 1), groups=2)),
         (2, 8, 8), ((3, 3), (1, 1), (1, 1)), 1),
        ((Convolution(weight=kernel(4, 1, 1, 3), groups=2), Convolution(weight=kernel(4, 1, 1, 3), groups=4)),
         (2, 1, 20), ((1, 5), (1, 1), (0, 0)), 2),
        ((Convolution(weight=kernel(12, 3, 2, 1), groups=4), Convolution(weight=kernel(6, 2, 2, 1), groups=6)),
         (12, 5, 1), ((3, 1), (1, 1), (0, 0)), 2),
    ],
)  # fmt: skip
def test_groups_stay_groups(stages, shape, expected, groups):
    stage = one_stage(stages, shape)
    assert (strided(stage), stage.groups) == (expected, groups)


def test_dilation_stays_where_both_allow_it():
    every_other = Convolution(weight=np.full((1, 1, 1, 1), 3.0), stride=(2, 2))
    stage = one_stage((every_other, Convolution(weight=kernel(1, 1, 3, 3), dilation=(1, 2))), (1, 20, 20))
    assert (strided(stage), stage.dilation) == (((3, 3), (2, 2), (0, 0)), (2, 4))
    pair, triple = Convolution(weight=np.ones((1, 1, 2, 2))), Convolution(weight=kernel(1, 1, 3, 3), dilation=(3, 3))
    mixed = one_stage((pair, triple), (1, 20, 20))
    assert (strided(mixed), mixed.dilation) == (((8, 8), (1, 1), (0, 0)), (1, 1))


def test_dilated_taps_are_not_filled_up_on_the_way():
    """Four taps, 1,500 positions apart: with zeros in between, the product would have 112,650,050 weights."""
    point, far = (
        Convolution(weight=kernel(5, 1, 1, 1)),
        Convolution(weight=kernel(50, 5, 2, 2), dilation=(1500, 1500)),
    )
    stage = one_stage((point, far), (1, 1510, 1510))
    assert (strided(stage)[0], stage.dilation) == ((2, 2), (1500, 1500))


def test_a_kernel_larger_than_its_matrix_becomes_the_matrix():
    """Two outputs that are far apart share no weight."""
    far = Convolution(weight=kernel(1, 1, 1, 12), stride=(1, 9), padding=(0, 9))
    stage = one_stage((far,), (1, 1, 3))
    assert stage.weight.size <= 3 * math.prod(far.output_shape((1, 1, 3)))
    values = np.arange(3.0).reshape(1, 1, 1, 3)
    assert np.array_equal(apply(stage, values).ravel(), apply(far, values).ravel())


def test_zeros_in_the_middle_are_read_off_the_matrix_where_one_output_is_left():
    """Rows are summed up to one, so only columns have to share; zeros around the map between lie in all rows."""
    padded = Convolution(weight=kernel(2, 1, 3, 1), padding=(1, 0))
    rows = Convolution(weight=np.ones((2, 1, 6, 1)), groups=2)
    stage = one_stage((padded, padded_again(2), rows), (1, 6, 30))
    assert strided(stage)[0] == (6, 1)
    values = np.random.default_rng(0).integers(0, 9, (2, 1, 6, 30)).astype(float)
    assert np.array_equal(apply(stage, values), after_all((padded, padded_again(2), rows), values))


def padded_again(channels):
    return Convolution(weight=kernel(channels, channels, 3, 1), padding=(1, 0))


def test_one_axis_after_another_is_read_in_c_order():
    """(2, 3, 4) as two signals of 12, then three taps of each: as numpy's own correlation."""
    taps = Convolution(weight=np.array([1.0, 10.0, 100.0]).reshape(1, 1, 1, 3).repeat(2, axis=0), groups=2)
    stage = one_stage((Reshape(shape=(2, 1, 12)), taps), (2, 3, 4))
    values = np.arange(24.0).reshape(1, 2, 3, 4)
    expected = [np.correlate(signal, [1.0, 10.0, 100.0]) for signal in values.reshape(2, 12)]
    assert np.array_equal(apply(stage, values).reshape(2, -1), expected)


def test_mean_then_dense_needs_no_matrix_of_the_map():
    """128 x 128 pixels of 32 channels: the map's own matrix would have 2**38 weights."""
    stages = (AveragePooling(size=(4, 4)), Dense(weight=np.ones((2, 32 * 32 * 32))))
    stage = one_stage(stages, (32, 128, 128))
    assert stage.weight.shape == (2, 32 * 128 * 128)
    assert np.all(stage.weight == 1 / 16)


@pytest.mark.parametrize("pooling", ["mean", "sum", "as a convolution", "with zeros"])
def test_equal_networks_have_equal_archives(pooling):
    """Weights / 4 behind a sum are those behind a mean; the pooling may be written as any convolution."""
    weight, full = kernel(4, 3, 3, 3), np.kron(np.eye(3)[:, :, None, None], np.ones((2, 2)))
    padded = np.pad(SUM.weight, ((0, 0), (0, 0), (1, 1), (1, 1)))
    written = {
        "mean": (MEAN, weight),
        "sum": (SUM, weight / 4),
        "as a convolution": (Convolution(weight=full / 4, stride=(2, 2)), weight),
        "with zeros": (Convolution(weight=padded, stride=(2, 2), padding=(1, 1), groups=3), weight / 4),
    }
    found = []
    for first, behind in (written["mean"], written[pooling]):
        stages = (first, Convolution(weight=behind, padding=(1, 1)))
        network = joined(stages, (3, 8, 8))
        populations = (network.populations[0], FloatPopulation(name="a", shape=(4, 4, 4), neuron=IF))
        end = FloatProjection(source="a", target="b", stages=(Dense(weight=kernel(2, 64)),))
        populations += (FloatPopulation(name="b", shape=(2,), neuron=FloatNeuron(threshold=None)),)
        network = FloatNetwork(populations=populations, projections=(*network.projections, end), steps=2)
        found.append(archive.to_bytes(quantize(folded(network))))
    assert found[0] == found[1]
