"""Corners of every process that we use, run in Lava itself and compared with the definition as integers.

Many corners share one run: each is a population of its own behind the same source. Networks are not proven here, so
currents wrap and potentials saturate as well.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from spikeport.export import bounds
from spikeport.export.errors import FormatError
from spikeport.export.executors import lava, reference
from spikeport.export.fixed_point import THRESHOLD_MAX
from spikeport.export.lava.limits import SUM_LIMIT, TOTAL_LIMIT
from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record

pytestmark = pytest.mark.lava
SHAPE = (2, 4, 3)
SILENT = IntegerNeuron(threshold=None, bias_mantissa=np.array(0))
ENDS = (-THRESHOLD_MAX, -1, 0, 1, 2, 1000, THRESHOLD_MAX - 1, THRESHOLD_MAX)


@dataclass(frozen=True, kw_only=True)
class Corner:
    """One population and the projections into it."""

    synapses: tuple
    neuron: IntegerNeuron = SILENT
    exponent: int = 0
    shape: tuple | None = None


def network(corners, *, levels, steps, shape=SHAPE):
    populations = [IntegerPopulation(name="input", shape=shape, neuron=Source(levels=levels))]
    projections = []
    for name, corner in corners.items():
        target = corner.shape or corner.synapses[0].output_shape(shape)
        populations.append(IntegerPopulation(name=name, shape=target, neuron=corner.neuron))
        projections += [
            IntegerProjection(source="input", target=name, synapses=each, exponent=corner.exponent)
            for each in corner.synapses
        ]
    return IntegerNetwork(populations=tuple(populations), projections=tuple(projections), steps=steps)


def allowed(corners, *, levels, steps=1, shape=SHAPE):
    """Return the corners that Lava's limits let through; every proven one must be among them."""
    kept = {}
    for name, corner in corners.items():
        alone = network({name: corner}, levels=levels, steps=steps, shape=shape)
        try:
            lava.check(alone)
        except FormatError:
            assert not bounds.is_safe(alone), name
            continue
        kept[name] = corner
    return kept


def assert_equal_in_lava(corners, *, levels, steps, held, shape=SHAPE, seed=0):
    rng = np.random.default_rng(seed)
    net = network(corners, levels=levels, steps=steps, shape=shape)
    timed = () if held else (steps,)
    values = rng.choice([0, 1, levels // 2, levels], (3, *timed, *shape))
    values[0] = levels
    given = stimulus(values, net)
    found, expected = record(lava.steps(net, given)), record(reference.steps(net, given))
    assert found.keys() == expected.keys() == corners.keys()
    different = {name: int((found[name] != expected[name]).sum()) for name in expected}
    assert {name: count for name, count in different.items() if count} == {}
    return expected


def weights(shape, rng):
    """Return weights at the ends of int8 in every sign mode of Lava: all of one sign, none positive, none negative."""
    some, single = rng.random(shape) < 0.5, np.zeros(shape, int)
    single.flat[0] = 1
    return {
        "all -128": np.full(shape, -128),
        "all -127": np.full(shape, -127),
        "all 127": np.full(shape, 127),
        "all 1": np.full(shape, 1),
        "all -1": np.full(shape, -1),
        "zero": np.zeros(shape),
        "-128 or 0": np.where(some, -128, 0),
        "127 or 0": np.where(some, 127, 0),
        "negative": rng.integers(-128, 0, shape),
        "positive": rng.integers(1, 128, shape),
        "mixed": rng.choice([-128, -127, -1, 0, 1, 127], shape),
        "one -128": -128 * single,
        "one 127": 127 * single,
    }


@pytest.mark.slow
@pytest.mark.parametrize(("levels", "steps", "held"), [(1, 2, True), (255, 1, False)])
def test_weights_of_every_sign_mode_and_exponent(levels, steps, held):
    rng, corners = np.random.default_rng(1), {}
    for exponent in (0, 1, 7, 15):
        for name, weight in weights((3, 24), rng).items():
            dense = Dense(weight=weight.astype(np.int8))
            corners[f"dense {name} {exponent}".replace(" ", ".")] = Corner(synapses=(dense,), exponent=exponent)
        for name, weight in weights((2, 2, 2, 3), rng).items():
            conv = Convolution(weight=weight.astype(np.int8), padding=(1, 1))
            corners[f"conv {name} {exponent}".replace(" ", ".")] = Corner(synapses=(conv,), exponent=exponent)
    kept = allowed(corners, levels=levels)
    assert "dense.all.-128.1" in kept
    assert_equal_in_lava(kept, levels=levels, steps=steps, held=held)


def test_one_negative_weight_at_the_end_of_int8():
    """Lava clips 2 x -128 of a matrix without positive weights to -255: -255 + 300 units of bias would not fire."""
    neuron = IntegerNeuron(threshold=np.array(44), bias_mantissa=np.array(300), bias_exponent=6)
    corner = Corner(synapses=(Dense(weight=np.array([[-128]], np.int8)),), neuron=neuron, exponent=1)
    expected = assert_equal_in_lava({"one": corner}, levels=1, steps=1, held=True, shape=(1,))
    assert not expected["one"][0].any()
    wrong = 64 * -255 + (300 << 6)
    assert wrong > 64 * 44 >= 64 * -256 + (300 << 6)


def neuron_corners(rng):
    """Return neurons at the ends of every register, stock and our own, for each exponent of the bias."""
    corners = {}
    mantissas = (-4096, -1, 0, 4095)
    for exponent in range(8):
        for name, thresholds, currents, leaks in (
            ("stock", ENDS, (1, 2, 4095, 4096), (0, 1, 4094, 4095)),
            ("to", ENDS, (0, 1, 4095, 4096), (0, 1, 4095, 4096)),
            ("by", ENDS, (0, 1, 4095, 4096), (0, 1, 4095, 4096)),
            ("at", ENDS, (1, 4095, 4096), (0, 1, 4095)),
            ("stock.silent", (0,), (1, 2, 4095, 4096), (0, 1, 4095)),
            ("silent", (0,), (0, 1, 4095, 4096), (0, 1, 4095, 4096)),
        ):
            table = np.array(list(itertools.product(thresholds, currents, leaks, mantissas))).T
            count = table.shape[1]
            neuron = IntegerNeuron(
                threshold=None if "silent" in name else table[0],
                decay_u=table[1],
                decay_v=table[2],
                bias_mantissa=table[3],
                bias_exponent=exponent,
                reset_to=rng.choice(ENDS, count) if name == "to" else 0,
                reset_by=rng.choice(ENDS, count) if name == "by" else None,
                inclusive=name in ("at", "by"),
            )
            assert neuron.stock == (name in ("stock", "stock.silent"))
            dense = Dense(weight=rng.integers(-128, 128, (count, 24)).astype(np.int8))
            corners[f"{name}{exponent}"] = Corner(synapses=(dense,), neuron=neuron, exponent=exponent % 4)
    return corners


@pytest.mark.parametrize(
    ("levels", "steps", "held"),
    [
        (1, 7, False),
        pytest.param(1, 1, True, marks=pytest.mark.slow),
        pytest.param(255, 7, True, marks=pytest.mark.slow),
        pytest.param(255, 2, False, marks=pytest.mark.slow),
    ],
)
def test_neurons_at_the_ends_of_every_register(levels, steps, held):
    corners = neuron_corners(np.random.default_rng(2))
    expected = assert_equal_in_lava(corners, levels=levels, steps=steps, held=held)
    assert all(0 < values.mean() < 1 for name, values in expected.items() if values.dtype == bool)
    saturated = [name for name, values in expected.items() if np.any(np.abs(values) == 2**23 - 1)]
    assert saturated or steps < 7


@pytest.mark.parametrize(
    ("levels", "held"),
    [(65_535, True), (2**24 - 1, False)]
    + [
        pytest.param(levels, held, marks=pytest.mark.slow)
        for levels in (1, 2, 127, 128, 255, 256, 65_535, 2**17 - 1, 2**17, 2**24 - 1)
        for held in (True, False)
    ],
)
def test_graded_levels(levels, held):
    rng, corners = np.random.default_rng(3), {}
    for exponent in (0, 1, 5):
        for name, weight in weights((3, 24), rng).items():
            corners[f"dense.{name}.{exponent}".replace(" ", ".")] = Corner(
                synapses=(Dense(weight=weight.astype(np.int8)),), exponent=exponent
            )
    single = Convolution(weight=np.array([[[[1]]], [[[-1]]]], np.int8), groups=2)
    mixed = Convolution(weight=rng.integers(-128, 128, (2, 2, 2, 3)).astype(np.int8), padding=(1, 1))
    corners |= {"conv.single": Corner(synapses=(single,)), "conv.mixed": Corner(synapses=(mixed,))}
    one = Corner(synapses=(Dense(weight=np.eye(24, dtype=np.int8)),))
    kept = allowed(corners, levels=levels) or {"one": one}
    kept = kept if levels <= SUM_LIMIT else {}
    if not kept:
        with pytest.raises(FormatError, match="Lava holds up to 8,388,607"):
            lava.check(network({"one": one}, levels=levels, steps=1))
        return
    assert_equal_in_lava(kept, levels=levels, steps=2, held=held)


def test_sums_at_the_ends_of_what_is_let_through():
    """One projection at 2^23 - 1, and as many together as 32 bit take, of either sign; the current wraps."""
    corners = {}
    count = TOTAL_LIMIT // SUM_LIMIT
    for sign in (-1, 1):
        dense = Dense(weight=np.full((2, 1), sign, np.int8))
        conv = Convolution(weight=np.full((2, 1, 1, 1), sign, np.int8))
        for repeat in (1, count):
            corners[f"dense{sign}.{repeat}"] = Corner(synapses=(dense,) * repeat)
            corners[f"conv{sign}.{repeat}"] = Corner(synapses=(conv,) * repeat)
    expected = assert_equal_in_lava(corners, levels=SUM_LIMIT, steps=2, held=False, shape=(1, 1, 1))
    assert any(np.abs(values).max() == 2**23 - 1 for values in expected.values())


GEOMETRIES = (
    ((1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((3, 3), (1, 1), (5, 0), (1, 1), 1),
    ((3, 3), (127, 1), (12, 11), (1, 1), 1),
    ((3, 3), (1, 127), (127, 127), (63, 63), 2),
    ((3, 2), (2, 3), (100, 90), (64, 100), 1),
    ((2, 2), (3, 1), (64, 64), (127, 127), 1),
    ((4, 3), (1, 1), (0, 0), (1, 1), 2),
    ((127, 1), (1, 1), (64, 0), (1, 1), 1),
    ((1, 127), (1, 1), (0, 64), (1, 1), 1),
    ((2, 3), (2, 2), (1, 1), (1, 2), 2),
)


@pytest.mark.slow
@pytest.mark.parametrize("levels", [1, 255])
def test_geometry_of_convolutions(levels):
    rng, corners = np.random.default_rng(4), {}
    for index, (kernel, stride, padding, dilation, groups) in enumerate(GEOMETRIES):
        weight = rng.integers(-128, 128, (2, 2 // groups, *kernel)).astype(np.int8)
        conv = Convolution(weight=weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
        corners[f"conv{index}"] = Corner(synapses=(conv,))
    assert_equal_in_lava(corners, levels=levels, steps=2, held=False)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [128, 256])
def test_groups_beyond_8_bit(channels):
    rng, corners, shape = np.random.default_rng(5), {}, (channels, 2, 2)
    for groups in {channels // 2, 64, 127, 128, channels}:
        if channels % groups == 0:
            weight = rng.integers(-128, 128, (2 * channels, channels // groups, 2, 1)).astype(np.int8)
            corners[f"conv{groups}"] = Corner(synapses=(Convolution(weight=weight, groups=groups),))
    assert_equal_in_lava(corners, levels=1, steps=1, held=True, shape=shape)


def test_populations_of_any_number_of_axes():
    """Convolutions and dense synapses onto one to four axes, from a source of four, with our own neurons."""
    rng = np.random.default_rng(6)
    spiking = IntegerNeuron(threshold=np.array(2), bias_mantissa=np.array(0))
    by = np.arange(24).reshape(2, 3, 2, 2)
    own = IntegerNeuron(threshold=np.array(3), bias_mantissa=np.array(0), reset_by=by)
    shapes = {"input": (2, 3, 4, 2), "a": (2, 4, 3), "b": (5, 12), "c": (60,), "d": (2, 3, 2, 2), "e": (1, 1, 1)}
    shapes["out"] = (2, 2)
    neurons = dict.fromkeys(shapes, spiking) | {"input": Source(), "d": own, "out": SILENT}
    conv = Convolution(weight=rng.integers(-4, 5, (5, 2, 1, 1)).astype(np.int8))
    edges = [("input", "a"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e"), ("e", "out"), ("d", "out")]
    net = IntegerNetwork(
        populations=tuple(IntegerPopulation(name=n, shape=s, neuron=neurons[n]) for n, s in shapes.items()),
        projections=tuple(
            IntegerProjection(source=a, target=b, synapses=conv if a == "a" else _dense(rng, shapes[a], shapes[b]))
            for a, b in edges
        ),
        steps=6,
    )
    given = stimulus(rng.integers(0, 256, (3, *shapes["input"])), net)
    found, expected = record(lava.steps(net, given)), record(reference.steps(net, given))
    for name, values in expected.items():
        assert values.any()
        assert np.array_equal(found[name], values), name


def _dense(rng, source, target):
    return Dense(weight=rng.integers(-3, 5, (int(np.prod(target)), int(np.prod(source)))).astype(np.int8))
