"""Events of the simulation and Eq. 12 agree as integers; fan-out against a brute-force unrolling."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.executors import reference
from export.network import Convolution, Dense
from export.stimulus import stimulus
from export.trace import record
from hardware_profiles.counting import count, events, fan_out
from hardware_profiles.energy import energy
from hardware_profiles.profile import load_profile
from hardware_profiles.unrolled import incoming
from tests.strategies import inputs, integer_networks


@given(st.data(), integer_networks())
def test_simulated_events_equal_the_formula_layer_by_layer(data, network):
    driven = stimulus(data.draw(inputs(network)), network)
    counts = count(network, reference.steps(network, driven, batch=2))
    assert [layer.simulated for layer in counts.layers] == [layer.formula for layer in counts.layers]
    assert counts.images == len(driven)
    spikes = {found.population: found.spikes for found in counts.spikes}
    trace = record(reference.steps(network, driven))
    assert spikes == {p.name: int(trace[p.name].sum()) for p in network.spiking}


@given(integer_networks())
def test_fan_out_equals_the_unrolled_synapses(network):
    for population in network.neurons:
        matrix, start = incoming(network, population.name), 0
        for projection in network.incoming(population.name):
            source = network.population(projection.source)
            size = math.prod(source.shape)
            psi = fan_out(projection.synapses, source.shape, projection.output_shape(source.shape))
            columns = np.asarray(matrix.sum(axis=0)).ravel()[start : start + size]
            per_projection = brute_force(projection, source.shape)
            assert np.array_equal(psi, per_projection)
            assert np.all(columns <= psi.ravel())
            start += size


def brute_force(projection, shape):
    """Count the targets that a single spike at each source neuron reaches."""
    size = math.prod(shape)
    single = np.eye(size, dtype=np.int64).reshape(size, *shape)
    return np.array([events(projection, spike[None]) for spike in single]).reshape(shape)


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
    counts = count(network, reference.steps(network, driven))
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
    assert energy(load_profile("loihi1"), counts, 1).synaptic_eq12 == pytest.approx(expected, abs=1e-18)


def test_worked_example_of_the_documentation():
    """The two tables and the costs in docs/counting.md."""
    weight = np.ones((1, 1, 3, 3), np.int8)
    full = Convolution(weight=weight, padding=(1, 1))
    weight[..., 0] = 0
    without_left = Convolution(weight=weight, padding=(1, 1))
    documented = (Path(__file__).parents[2] / "docs" / "counting.md").read_text(encoding="utf-8")
    for synapses, cost in ((full, 13), (without_left, 8)):
        table = fan_out(synapses, (1, 4, 4), (1, 4, 4))[0]
        shown = "\n".join("    " + " ".join(map(str, row)) for row in table)
        assert shown in documented
        assert table[0, 0] + table[1, 1] == cost
