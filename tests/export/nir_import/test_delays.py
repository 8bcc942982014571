"""Delays that differ between neurons: each spike waits as long as its node says, in every executor."""

from dataclasses import replace

import nir
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nir import Delay

from spikeport.export import fidelity, passes
from spikeport.export.errors import FormatError
from spikeport.export.executors import fast, floating, onnx, reference
from spikeport.export.executors import nir as nir_again
from spikeport.export.linear import apply
from spikeport.export.network import Convolution
from spikeport.export.nir_import.graph import read
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.export.nir_import.test_graph import run, written
from tests.spent import processor_seconds
from tests.strategies import cases

STEPS = 8


def fires(shape, threshold=0.5, r=1.0):
    return nir.IF(r=np.full(shape, r), v_threshold=np.full(shape, threshold), v_reset=np.zeros(shape))


def conv(weight, **options):
    settings = {"input_shape": (3, 3), "stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    return nir.Conv2d(weight=weight, bias=np.zeros(len(weight)), **{**settings, **options})


def held_back(values, steps):
    """Return values (N, T, *shape) later by ``steps`` per neuron."""
    found = np.zeros_like(values)
    steps = np.broadcast_to(steps, values.shape[2:])
    for place in np.ndindex(*values.shape[2:]):
        wait = int(steps[place])
        if wait < values.shape[1]:
            found[(slice(None), slice(wait, None), *place)] = values[
                (slice(None), slice(values.shape[1] - wait), *place)
            ]
    return found


def by_hand(nodes, values):
    """Return what a chain of nodes makes of ``values`` (N, T, *shape), one whole node after the other."""
    for node in nodes:
        if isinstance(node, Delay):
            values = held_back(values, node.delay)
        elif isinstance(node, nir.Flatten):
            values = values.reshape(*values.shape[:2], -1)
        elif isinstance(node, nir.Linear):
            values = values @ node.weight.T
        elif isinstance(node, nir.Conv2d):
            stage = Convolution(weight=node.weight, padding=(1, 1), stride=node.stride, groups=node.groups)
            values = np.stack([apply(stage, values[:, step]) for step in range(values.shape[1])], axis=1)
        else:
            values = integrated(node, values)
    return values


def integrated(node, values):
    potential, spikes = np.zeros_like(values[:, 0]), np.zeros_like(values)
    for step in range(values.shape[1]):
        potential = potential + values[:, step]
        spikes[:, step] = potential > node.v_threshold
        potential = np.where(spikes[:, step] > 0, 0.0, potential)
    return spikes


@st.composite
def delays(draw, shape):
    """Draw none to two `Delay` nodes: one number, one per channel, one per neuron."""
    rng, nodes = np.random.default_rng(draw(st.integers(0, 10**6))), []
    for _ in range(draw(st.integers(0, 2))):
        per = draw(st.sampled_from([(1,) * len(shape), (shape[0], *(1,) * (len(shape) - 1)), shape]))
        nodes.append(Delay(np.broadcast_to(rng.integers(0, 4, per), shape).astype(np.float64)))
    return nodes


@st.composite
def chains(draw):
    """Draw convolutions and dense layers with neurons, and delays anywhere between two nodes."""
    rng, shape = np.random.default_rng(draw(st.integers(0, 10**6))), (2, 3, 3)
    nodes = draw(delays(shape))
    for _ in range(draw(st.integers(0, 2))):
        groups = draw(st.sampled_from([1, 2]))
        weight = rng.integers(-2, 4, (4, shape[0] // groups, 3, 3)).astype(np.float64)
        stride = draw(st.sampled_from([1, 2]))
        nodes.append(conv(weight, groups=groups, stride=(stride, stride), input_shape=shape[1:]))
        shape = (4, *((side - 1) // stride + 1 for side in shape[1:]))
        nodes += [*draw(delays(shape)), fires(shape, 4.5), *draw(delays(shape))]
    nodes.append(nir.Flatten(input_type={"input": np.array(shape)}, start_dim=0, end_dim=-1))
    shape = (int(np.prod(shape)),)
    nodes += draw(delays(shape))
    weight = rng.integers(-2, 4, (3, *shape)).astype(np.float64)
    nodes += [nir.Linear(weight), *draw(delays((3,))), fires((3,), 3.5)]
    return nodes, rng.integers(0, 2, (2, STEPS, 2, 3, 3))


def file_of(path, nodes, shape):
    names = [f"n{index}" for index in range(len(nodes))]
    edges = list(zip(["input", *names], [*names, "output"], strict=True))
    return written(path, dict(zip(names, nodes, strict=True)), edges, shape)


@given(drawn=chains())
@cases(40)
def test_every_executor_gives_the_delays_of_the_file(tmp_path_factory, drawn):
    """The weights are whole, so integers give the same spikes."""
    nodes, frames = drawn
    path = file_of(tmp_path_factory.mktemp("delays") / "a.nir", nodes, frames.shape[2:])
    network, _ = read(path, steps=STEPS, dialect="nir")
    expected = by_hand(nodes, frames.astype(np.float64)).astype(bool)
    last = f"n{len(nodes) - 1}"
    given = stimulus(frames, network)
    assert np.array_equal(record(floating.steps(network, given))[last], expected)
    folded = passes.folded(network)
    assert np.array_equal(record(floating.steps(folded, given))[last], expected)
    integers = quantize(folded)
    for executor in (reference, fast, onnx):
        assert np.array_equal(record(executor.steps(integers, stimulus(frames, integers)))[last], expected)


def without_output(network):
    """Leave out the population of the output node, if there is one."""
    kept = tuple(p for p in network.populations if p.name != "output")
    return replace(network, populations=kept, projections=tuple(p for p in network.projections if p.target != "output"))


@given(drawn=chains())
@cases(20)
def test_written_again_as_nir_it_gives_the_same(tmp_path_factory, drawn):
    nodes, frames = drawn
    path = file_of(tmp_path_factory.mktemp("delays") / "a.nir", nodes, frames.shape[2:])
    integers = quantize(passes.folded(without_output(read(path, steps=STEPS, dialect="nir")[0])))
    given = stimulus(frames, integers)
    again = record(nir_again.steps(integers, given))
    assert all(np.array_equal(again[name], values) for name, values in record(reference.steps(integers, given)).items())


def test_seconds_count_in_steps_of_the_dialect(tmp_path):
    nodes = [Delay(np.array([0.0, 2e-3, 1e-3])), nir.Linear(np.eye(3)), fires((3,), r=1e3)]
    path = file_of(tmp_path / "a.nir", nodes, (3,))
    frames = np.zeros((1, 4, 3))
    frames[0, 0] = 1
    spikes = run(path, frames, dialect="nir", dt=1e-3)["n2"][0]
    assert spikes.astype(int).tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("dt", [1e-4, 1e-3, 1e-2])
def test_seconds_in_32_bits_are_whole_steps(tmp_path, dt):
    """Frameworks write delays as 32-bit numbers, whose error grows with the delay."""
    waits = np.arange(63, dtype=np.float32) * np.float32(dt)
    path = file_of(tmp_path / "a.nir", [fires((63,), r=1 / dt), Delay(waits), nir.Linear(np.ones((1, 63)))], (63,))
    network, _ = read(path, steps=64, dialect="nir", dt=dt)
    assert [p.delay for p in network.projections if p.target == "output"] == list(range(63))


def test_delay_between_two_steps_is_refused(tmp_path):
    path = file_of(tmp_path / "a.nir", [Delay(np.array([0.0, 20.001])), nir.I(r=np.ones(2))], (2,))
    with pytest.raises(FormatError, match=r"a delay of 20\.001 steps"):
        read(path, steps=4, dialect="nir")


def test_graded_input_is_held_back_by_its_neurons(tmp_path):
    nodes = [Delay(np.array([0.0, 2.0])), nir.Linear(np.eye(2)), nir.I(r=np.ones(2))]
    path = file_of(tmp_path / "a.nir", nodes, (2,))
    network, _ = read(path, steps=4, dialect="nir", levels=10)
    frames = np.array([[[3, 5], [0, 1], [0, 0], [0, 0]]])
    potential = record(floating.steps(network, stimulus(frames, network)))["n2"][0]
    assert np.allclose(potential, [[0.3, 0], [0.3, 0], [0.3, 0.5], [0.3, 0.6]])


def test_convolution_reads_graded_values_that_wait_differently_within_a_channel(tmp_path):
    nodes = [Delay(np.arange(18.0).reshape(2, 3, 3) % 3), conv(np.ones((1, 2, 3, 3))), nir.I(r=np.ones((1, 3, 3)))]
    network, _ = read(file_of(tmp_path / "a.nir", nodes, (2, 3, 3)), steps=4, dialect="nir", levels=10)
    frames = np.random.default_rng(0).integers(0, 11, (2, 4, 2, 3, 3))
    potential = record(floating.steps(network, stimulus(frames, network)))["n2"]
    assert np.allclose(potential, np.cumsum(by_hand(nodes[:2], frames / 10), axis=1))


def test_loop_waits_as_long_as_each_neuron_says(tmp_path):
    """Each neuron hears itself after its own delay; the input fires all at step 0."""
    nodes = {"lif": fires((3,)), "w": nir.Linear(np.eye(3)), "d": Delay(np.array([1.0, 2.0, 3.0]))}
    edges = [("input", "lif"), ("lif", "w"), ("w", "d"), ("d", "lif"), ("lif", "output")]
    written(tmp_path / "a.nir", nodes, edges, (3,))
    frames = np.zeros((1, 7, 3))
    frames[0, 0] = 1
    spikes = run(tmp_path / "a.nir", frames, dialect="nir")["lif"][0].T.astype(int)
    assert spikes.tolist() == [[1, 1, 1, 1, 1, 1, 1], [1, 0, 1, 0, 1, 0, 1], [1, 0, 0, 1, 0, 0, 1]]


def test_convolution_reads_one_relay_population_per_delay(tmp_path):
    """The kernel stays one kernel; a dense matrix would have 81 times as many weights."""
    waits = np.arange(9.0).reshape(1, 3, 3) % 3
    nodes = [fires((1, 3, 3)), Delay(waits), conv(np.ones((1, 1, 3, 3))), fires((1, 3, 3))]
    network, _ = read(file_of(tmp_path / "a.nir", nodes, (1, 3, 3)), steps=4, dialect="nir")
    assert [p.name for p in network.populations if p.name != "output"] == [
        "input",
        "n0",
        "n3",
        "n1_delay0",
        "n1_delay1",
        "n1_delay2",
    ]
    assert [p.delay for p in network.projections if p.target == "n3"] == [0, 1, 2]
    assert len(passes.folded(without_output(network)).populations) == 6
    kinds = [type(stage).__name__ for projection in network.projections for stage in projection.stages]
    assert kinds == ["Convolution"] * 3


@pytest.mark.lava
def test_lava_holds_back_every_neuron_and_channel(tmp_path):
    """Delays within a channel (relays), of channels, of targets and of a vector, in Lava itself."""
    rng = np.random.default_rng(5)
    waits = [rng.integers(0, 4, shape).astype(float) for shape in ((2, 3, 3), (4, 3, 3), (36,), (3,))]
    waits[1][:] = waits[1][:, :1, :1]
    first, second = rng.integers(-2, 4, (4, 2, 3, 3)), rng.integers(-2, 4, (3, 36))
    nodes = [Delay(waits[0]), conv(first.astype(float)), fires((4, 3, 3), 4.5), Delay(waits[1])]
    nodes += [nir.Flatten(input_type={"input": np.array([4, 3, 3])}, start_dim=0, end_dim=-1), Delay(waits[2])]
    nodes += [nir.Linear(second.astype(float)), Delay(waits[3]), fires((3,), 3.5)]
    path = file_of(tmp_path / "a.nir", nodes, (2, 3, 3))
    integers = quantize(passes.folded(without_output(read(path, steps=STEPS, dialect="nir")[0])))
    given = stimulus(rng.integers(0, 2, (3, STEPS, 2, 3, 3)), integers)
    found = fidelity.check(integers, given, ["lava", "onnx", "nir"])[0]
    assert {name: each.mismatches for name, each in found.items()} == {"lava": 0, "onnx": 0, "nir": 0}
    assert record(reference.steps(integers, given))["n8"].any()


@pytest.mark.parametrize("steps", [1000, 1001, 20_000])
def test_relay_lets_nothing_else_through_in_samples_of_any_length(tmp_path, steps):
    """The neuron that gets a spike at every step waits longer than the sample takes, so nothing fires behind it."""
    waits = np.array([[[0.0, float(steps)]]])
    nodes = [fires((1, 1, 2)), Delay(waits), conv(np.ones((1, 1, 1, 1)), input_shape=(1, 2), padding=(0, 0))]
    path = file_of(tmp_path / "a.nir", [*nodes, fires((1, 1, 2))], (1, 1, 2))
    network = quantize(passes.folded(read(path, steps=steps, dialect="nir")[0]))
    frames = np.ones((1, steps, 1, 1, 2), np.uint8)
    frames[..., 0] = 0
    found = record(fast.steps(network, stimulus(frames, network)))["n3"][0, :, 0, 0]
    assert not found.any()


def test_delays_of_channels_need_no_other_population(tmp_path):
    waits = np.broadcast_to(np.arange(2.0).reshape(2, 1, 1), (2, 3, 3))
    nodes = [fires((2, 3, 3)), Delay(waits), conv(np.ones((1, 2, 3, 3))), fires((1, 3, 3))]
    network, _ = read(file_of(tmp_path / "a.nir", nodes, (2, 3, 3)), steps=4, dialect="nir")
    assert [p.name for p in network.populations if p.name != "output"] == ["input", "n0", "n3"]
    assert sorted(p.delay for p in network.projections if p.target == "n3") == [0, 1]


@pytest.mark.parametrize("shape", [(30_000,), (1, 3, 10_000)])
def test_delays_that_take_much_memory_are_refused(tmp_path, shape):
    """30,000 delays of 30,000 neurons would be masks, or relays, of 14 GB."""
    waits = np.arange(30_000.0).reshape(shape)
    last = [conv(np.ones((1, 1, 1, 1)), padding=(0, 0), input_shape=shape[1:])] if len(shape) == 3 else []
    path = file_of(tmp_path / "a.nir", [fires(shape), Delay(waits), *last, fires(shape)], shape)
    start = processor_seconds()
    with pytest.raises(FormatError, match=r"a\.nir: node 'n2' .*(a mask of channels|a relay population) per delay"):
        read(path, steps=4, dialect="nir")
    assert processor_seconds() - start < 30


def test_delay_in_front_of_the_output_counts(tmp_path):
    """What nobody reads any more waits at its own entry."""
    path = file_of(tmp_path / "a.nir", [fires((2,)), Delay(np.array([1.0, 3.0]))], (2,))
    network, _ = read(path, steps=5, dialect="nir")
    frames = np.zeros((1, 5, 2), int)
    frames[0, 0] = 1
    found = record(floating.steps(network, stimulus(frames, network)))[network.readout.name][0]
    assert found.astype(int).tolist() == [[0, 0], [1, 0], [0, 0], [0, 1], [0, 0]]


def test_delay_behind_a_bias_is_refused(tmp_path):
    """The bias would act from step 0 instead of later."""
    affine = nir.Affine(weight=np.eye(2), bias=np.ones(2))
    for wait in ([2.0, 2.0], [0.0, 1.0]):
        path = file_of(tmp_path / "a.nir", [affine, Delay(np.array(wait)), fires((2,))], (2,))
        with pytest.raises(FormatError, match=r"'n1' .Delay.: it holds back the bias of node 'n0', which would act"):
            read(path, steps=4, dialect="nir")
    path = file_of(tmp_path / "b.nir", [affine, Delay(np.zeros(2)), fires((2,))], (2,))
    assert read(path, steps=4, dialect="nir")[0].neurons
