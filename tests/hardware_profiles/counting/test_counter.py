"""Events of the simulation and Eq. 12 agree as integers; fan-out against a brute-force unrolling."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import StimulusError
from spikeport.export.executors import fast, reference
from spikeport.export.geometry import fan_out, geometry_of, pooled
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import Stimulus, random_stimulus, stimulus
from spikeport.export.three_counts import by_events
from spikeport.export.trace import record
from spikeport.hardware_profiles.counting import MODES, Spread, batches, count, count_batches, gather
from spikeport.hardware_profiles.counting.run import batch_size
from spikeport.hardware_profiles.energy import energy
from spikeport.hardware_profiles.profile import load_profile
from tests.hardware_profiles.networks import convolutional, pooled_networks
from tests.hardware_profiles.written_out import synapses
from tests.strategies import inputs, integer_networks


@given(st.data(), integer_networks())
def test_three_counts_are_equal_layer_by_layer(data, network):
    driven = stimulus(data.draw(inputs(network)), network)
    counts = count_batches(network, gather(network, reference.steps(network, driven, batch=2)))
    assert counts.images == len(driven)
    verified = count_batches(network, batches(network, driven, 3, sampled=range(len(driven))))
    assert replace(verified, verification=None) == counts
    assert verified.verification.images == tuple(range(len(driven)))
    assert verified.verification.reasons == ()
    for layer, checked in zip(counts.layers, verified.verification.layers, strict=True):
        assert layer.formula == checked.formula == checked.simulated + checked.on_the_way
    spikes = {found.population: found.spikes for found in counts.spikes}
    trace = record(reference.steps(network, driven))
    assert spikes == {p.name: int(trace[p.name].sum()) for p in network.spiking}


@given(integer_networks())
def test_fan_out_equals_the_unrolled_synapses(network):
    for projection in network.projections:
        source = network.population(projection.source)
        psi = fan_out(projection.synapses, source.shape, projection.output_shape(source.shape))
        assert np.array_equal(psi, brute_force(projection, source.shape))
        assert np.array_equal(psi.ravel(), synapses(network, projection).sum(axis=(0, 1, 2)))


def brute_force(projection, shape):
    """Count the targets that a single spike at each source neuron reaches."""
    size = math.prod(shape)
    single = np.eye(size, dtype=np.int64).reshape(size, *shape)
    return np.array([by_events(projection, spike[None]).sum() for spike in single]).reshape(shape)


def test_four_by_four_example_of_the_docs():
    """A 3x3 kernel of ones with padding 1 over 4x4: corners reach 4 targets, edges 6, the middle 9."""
    kernel = Convolution(weight=np.ones((1, 1, 3, 3), np.int8), padding=(1, 1))
    row, edge = [4, 6, 6, 4], [6, 9, 9, 6]
    assert fan_out(kernel, (1, 4, 4), (1, 4, 4))[0].tolist() == [row, edge, edge, row]
    assert fan_out(kernel, (1, 4, 4), (1, 4, 4)).sum() == 100


def test_zero_weights_cost_nothing():
    weight = np.array([[1, 0], [0, 0], [-3, 2]], np.int8)
    assert fan_out(Dense(weight=weight), (2,), (3,)).tolist() == [2, 1]


def vgg16_fused_synapses():
    """Return the synapses per IF-sourced layer of the paper's VGG-16, from kernels of ones."""
    total, side, channels = 0, 32, 64
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (256, 1), (512, 2), (512, 1), (512, 1), (512, 2)]
    for out, pooling in [*plan, (512, 1), (512, 1)]:
        kernel = Convolution(
            weight=np.ones((1, 1, 3 * pooling, 3 * pooling), np.int8),
            stride=(pooling, pooling),
            padding=(pooling, pooling),
        )
        target = kernel.output_shape((1, side, side))
        total += int(fan_out(kernel, (1, side, side), target).sum()) * channels * out
        side, channels = target[1], out
    return total + 2048 * 256 + 256 * 256 + 256 * 10


def test_paper_vgg16_has_its_known_number_of_synapses():
    assert vgg16_fused_synapses() == 397_691_392


@given(st.data(), integer_networks())
def test_energy_is_eq_12_in_both_its_forms(data, network):
    """E_AC sum psi s over time equals T E_AC sum psi o with o the mean rate."""
    driven = stimulus(data.draw(inputs(network)), network)
    counts = count_batches(network, gather(network, reference.steps(network, driven)))
    trace = record(reference.steps(network, driven))
    expected = 0.0
    for projection in network.projections:
        if projection.source == "input" and network.source.neuron.levels > 1:
            continue
        source = network.population(projection.source)
        psi = fan_out(projection.synapses, source.shape, projection.output_shape(source.shape))
        spikes = driven.values != 0 if projection.source == "input" else trace[projection.source]
        if projection.source == "input" and driven.held:
            spikes = np.repeat(spikes[:, None], network.steps, axis=1)
        expected += network.steps * 23.6e-12 * float((psi * spikes.mean(axis=1)).sum(axis=(1, 2, 3)).mean())
    assert energy(counts, load_profile("loihi1")).synaptic_operations == pytest.approx(expected, abs=1e-18)


def test_worked_example_of_the_documentation():
    """The two tables and the costs in docs/counting.md."""
    weight = np.ones((1, 1, 3, 3), np.int8)
    full = Convolution(weight=weight, padding=(1, 1))
    weight[..., 0] = 0
    without_left = Convolution(weight=weight, padding=(1, 1))
    documented = (Path(__file__).parents[3] / "docs" / "counting.md").read_text(encoding="utf-8")
    for kernel, cost in ((full, 13), (without_left, 8)):
        table = fan_out(kernel, (1, 4, 4), (1, 4, 4))[0]
        shown = "\n".join("    " + " ".join(map(str, row)) for row in table)
        assert shown in documented
        assert table[0, 0] + table[1, 1] == cost


def test_three_counts_of_the_documentation():
    """The example of docs/counting.md: what arrives, and what two wrong kernels would add."""
    counts = count(example_of_three(), EXAMPLE)
    (layer,) = counts.verification.layers
    assert (layer.formula, layer.simulated, layer.reference, layer.neurons_different) == (13, 13, 13, 0)
    (step,) = [step for step in fast.steps(example_of_three(), EXAMPLE, count=True, sampled=[0]) if step.count]
    (arrived,) = step.count.sampled[0].arrived
    documented = (Path(__file__).parents[3] / "docs" / "counting.md").read_text(encoding="utf-8")
    shown = "\n".join("      " + " ".join(map(str, row)) for row in arrived[0])
    assert shown in documented
    weight = np.ones((1, 1, 3, 3), np.int8)
    weight[..., 0, 0] = 0
    dropped = Convolution(weight=weight, padding=(1, 1))
    assert by_events(replace(example_of_three().projections[0], synapses=dropped), EXAMPLE.values[0]).sum() == 11
    shifted = np.roll(arrived, 1, axis=2)
    assert (shifted.sum(), np.count_nonzero(shifted != arrived)) == (13, 8)
    assert "adds 11. One that shifts its results by a column still adds 13, at 8 wrong neurons" in documented


def example_of_three():
    """Return a 3x3 kernel without zeros over 4x4, padding 1."""
    populations, (projection,) = pooled_example().populations, pooled_example().projections
    full = Convolution(weight=np.ones((1, 1, 3, 3), np.int8), padding=(1, 1))
    return IntegerNetwork(
        populations=(populations[0], replace(populations[1], shape=(1, 4, 4))),
        projections=(replace(projection, synapses=full),),
        steps=1,
    )


SPIKES = np.zeros((1, 1, 1, 4, 4), np.uint8)
SPIKES[..., 0, 0] = SPIKES[..., 1, 1] = 1
EXAMPLE = Stimulus(values=SPIKES, steps=1, held=False)


def pooled_example():
    """Return a 4x4 source, a 2x2 average pool folded into a 3x3 kernel over the 2x2 pooled pixels, and a readout."""
    small = np.ones((1, 1, 3, 3), np.int8)
    small[0, 0, 2, 2] = 0
    folded = Convolution(weight=small.repeat(2, axis=2).repeat(2, axis=3), stride=(2, 2), padding=(2, 2))
    readout = IntegerNeuron(threshold=None, bias_mantissa=np.zeros((), np.int64))
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(1, 4, 4), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="readout", shape=(1, 2, 2), neuron=readout),
        ),
        projections=(IntegerProjection(source="input", target="readout", synapses=folded),),
        steps=1,
    )


def test_three_modes_by_hand():
    """The worked example of docs/counting.md: spikes at (0, 0), (0, 1) and (3, 3), the last weight of 3x3 is zero.

    Pooled pixels reach 4, 4, 4 and 3 targets. Fused: 4 + 4 + 3 = 11. Relay: the two spikes meet in one pooled pixel,
    4 + 3 = 7. Eq. 11: (2 2) / (4 4) 1 9 8/9 = 2 per spike, 6.
    """
    frame = np.zeros((1, 1, 1, 4, 4), np.uint8)
    frame[..., 0, 0] = frame[..., 0, 1] = frame[..., 3, 3] = 1
    network = pooled_example()
    counts = count(network, Stimulus(values=frame, steps=1, held=False))
    found = [counts.total(mode) for mode in MODES]
    assert found == [counts.formula, 7, pytest.approx(6)]
    documented = (Path(__file__).parents[3] / "docs" / "counting.md").read_text(encoding="utf-8")
    assert "    4 4\n    4 3\n" in documented
    assert "4 + 4 + 3 = 11" in documented
    psi = fan_out(network.projections[0].synapses, (1, 4, 4), (1, 2, 2))[0]
    assert psi[::2, ::2].tolist() == [[4, 4], [4, 3]]
    assert counts.formula == counts.verification.layers[0].simulated == 11


def test_mean_maximum_and_deviation_are_over_images():
    network = pooled_example()
    frames = np.zeros((3, 1, 1, 4, 4), np.uint8)
    frames[1, ..., 0, 0] = 1
    frames[2] = 1
    counts = count_batches(network, batches(network, Stimulus(values=frames, steps=1, held=False), 2))
    each = [0, 4, 4 * (4 + 4 + 4 + 3)]
    assert counts.per_image == Spread(
        mean=pytest.approx(64 / 3), maximum=60, deviation=pytest.approx(float(np.std(each)))
    )
    assert counts.layers[0].per_image == counts.per_image


@given(st.data(), pooled_networks())
def test_relay_counts_pooled_pixels_that_are_not_zero(data, drawn):
    """Pixel by pixel: each pooled pixel that holds a spike costs the targets that it reaches over non-zero weights."""
    network, small, window = drawn
    values = stimulus(data.draw(inputs(network)), network)
    (layer,) = count(network, values).layers
    channels, height, width = network.source.shape
    pixels = (channels, height // window[0], width // window[1])
    reached = brute_force(IntegerProjection(source="", target="", synapses=small), pixels)
    expected = 0
    for step in range(network.steps):
        frame = values.frame(slice(None), step) != 0
        for image, channel, y, x in np.ndindex(len(values), *pixels):
            rows, columns = slice(y * window[0], (y + 1) * window[0]), slice(x * window[1], (x + 1) * window[1])
            expected += int(reached[channel, y, x]) if frame[image, channel, rows, columns].any() else 0
    assert layer.relay == expected <= layer.formula
    assert layer.relay_synapses == reached.sum()
    assert layer.synapses == reached.sum() * window[0] * window[1]


@given(st.data(), pooled_networks())
def test_area_ratio_is_eq_11_with_the_unfolded_kernel(data, drawn):
    """psi = (w' h') / (w h) c' k^2 times the density, for every spike."""
    network, small, _ = drawn
    values = stimulus(data.draw(inputs(network)), network)
    (layer,) = count(network, values).layers
    _, height, width = network.source.shape
    outputs, rows, columns = network.readout.shape
    psi = rows * columns / (height * width) * outputs * 4 * np.count_nonzero(small.weight) / small.weight.size
    spikes = sum(int((values.frame(slice(None), step) != 0).sum()) for step in range(network.steps))
    assert layer.area_ratio == pytest.approx(psi * spikes)


@given(st.data(), integer_networks())
def test_relay_is_fused_where_nothing_is_pooled(data, network):
    counts = count(network, stimulus(data.draw(inputs(network)), network))
    for projection, layer in zip(network.projections, counts.layers, strict=True):
        if pooled(geometry_of(network, projection))[1] == (1, 1):
            assert (layer.relay, layer.relay_synapses) == (layer.formula, layer.synapses)


def test_results_are_plain_data_with_stable_names():
    network = pooled_example()
    counts = count(network, Stimulus(values=np.ones((2, 1, 1, 4, 4), np.uint8), steps=1, held=False))
    document = json.loads(json.dumps(counts.to_dict()))
    assert document["modes"] == {mode: counts.total(mode) / 2 for mode in MODES}
    assert document["formula"] == document["verification"]["layers"][0]["simulated"] == 2 * 4 * (4 + 4 + 4 + 3)
    assert [document[key] for key in ("mode", "images", "steps", "neurons")] == ["fused", 2, 1, 4]
    assert document["layers"][0]["kind"] == "AC"
    assert document["layers"][0]["per_image"] == {"mean": 60.0, "maximum": 60, "deviation": 0.0}


def test_images_add_up_and_the_graded_input_is_no_accumulate():
    network = small_network()
    images = random_stimulus(network, 4, 0)
    counts, alone = count(network, images), [count(network, images.part(slice(i, i + 1))) for i in range(4)]
    each = [found.formula for found in alone]
    assert counts.per_image == Spread(
        mean=sum(each) / 4, maximum=max(each), deviation=pytest.approx(float(np.std(each)))
    )
    assert counts.layers[0].kind == "MAC"
    assert counts.first_layer_macs == sum(found.layers[0].formula for found in alone) > 0


def test_the_rate_is_per_neuron_image_and_step():
    network = small_network()
    images = random_stimulus(network, 3, 0)
    trace = record(reference.steps(network, images))
    for found in count(network, images).spikes:
        assert found.rate == pytest.approx(trace[found.population].mean())
        assert found.neurons == trace[found.population][0, 0].size
        per_image = trace[found.population].reshape(3, -1).sum(axis=1)
        assert found.per_image.maximum == per_image.max()


def test_spikes_of_one_image_have_a_limit():
    """60,003 neurons over 100,000 steps, a byte each."""
    network = replace(convolutional(side=100), steps=100_000)
    images = Stimulus(values=np.ones((1, 2, 100, 100), np.uint8), steps=100_000, held=True)
    with pytest.raises(StimulusError, match=r"one image over 100,000 steps take 5\.6 GiB; expected at most 4 GiB"):
        count(network, images)


def test_batches_hold_fewer_images_of_long_runs():
    sizes = {side: batch_size(replace(convolutional(side=side), steps=100_000)) for side in (8, 20, 50)}
    assert sizes == {8: 20, 20: 2**30 // (2403 * 100_000), 50: 1}


def test_text_has_every_projection_and_mode():
    network = pooled_example()
    shown = count(network, Stimulus(values=np.ones((2, 1, 1, 4, 4), np.uint8), steps=1, held=False)).text()
    assert re.search(r"input -> readout +AC +120 +30 +64\n", shown)
    assert "\naccumulates of a mean image, Eq. 12: fused 60, relay 15, area_ratio 32\n" in shown
    assert shown.endswith("0 neurons where another number arrives")


def test_spikes_that_are_lost_on_their_way_out_of_the_simulation_are_seen(monkeypatch):
    """The totals come from the spikes that the executor yields; the kernels counted those that it has inside."""
    network = small_network()
    part = fast._Values._part
    monkeypatch.setattr(fast._Values, "_part", lambda *arguments: part(*arguments) * (arguments[0].step > 0))
    found = count(network, random_stimulus(network, 3, 0)).verification
    assert [reason.split(":")[0] for reason in found.reasons] == ["conv1 -> readout"] * 2
