"""Rates code activations: with many steps the spiking network's logits approach the ReLU network's."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spikeport.export.executors import floating
from spikeport.export.network import Source
from spikeport.export.passes import folded
from spikeport.export.stimulus import Intake, stimulus
from spikeport.export.trace import record, scores
from spikeport.toolchain.importing.torch_module import from_torch
from spikeport.toolchain.rate_coding.choosing import choose, logits, pixels
from spikeport.toolchain.rate_coding.coding import rate_coded
from spikeport.toolchain.rate_coding.maxima import without_max_pooling
from spikeport.toolchain.rate_coding.thresholds import thresholds
from tests.toolchain.rate_coding.networks import digits, layers, trained


def held(images, steps):
    return stimulus(images, Intake(shape=(1, 8, 8), steps=steps, source=Source(levels=255, unit=1 / 255), real=False))


@pytest.fixture(scope="module")
def ann():
    return without_max_pooling(from_torch(trained(), np.zeros((1, 1, 8, 8), np.float32)).model)


def difference(ann, steps, **how):
    images = held(digits()[1][0][:8], steps)
    batches = pixels(images, ann)
    network = folded(rate_coded(ann, thresholds(ann, batches, [100.0])[100.0], steps=steps, **how))
    found = scores(floating.steps(network, images), network, len(images)) / steps
    return np.linalg.norm(found - logits(ann, batches)) / np.linalg.norm(logits(ann, batches))


def test_the_difference_of_the_logits_falls_with_the_steps(ann):
    errors = [difference(ann, steps) for steps in (8, 32, 128)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.06


def test_half_a_threshold_rounds_to_the_nearest_and_helps_at_few_steps(ann):
    assert difference(ann, 8, shift=0.5) < 0.6 * difference(ann, 8)


def test_a_hard_reset_loses_what_a_spike_leaves_over(ann):
    assert difference(ann, 128, reset="hard") > 2 * difference(ann, 128)


def test_rates_times_thresholds_are_the_activations_of_the_first_layer():
    """One convolution of held images: every rate is the rounded-down activation, in units of threshold / T."""
    net = from_torch(layers().eval(), np.zeros((1, 1, 8, 8), np.float32)).model
    images, steps = held(digits()[1][0][:10], 16), 16
    batches = pixels(images, net)
    levels = thresholds(net, batches, [100.0])[100.0]
    first = net.neuron_nodes()[0].name
    network = folded(rate_coded(net, levels, steps=steps))
    counts = record(floating.steps(network, images))[first].sum(1)
    with torch.no_grad():
        values = sum(layer(net.normalized(batches[0])) for layer in net.projections_into(first)).relu().double().numpy()
    exact = values / levels[first] * steps
    clear = np.abs(exact - np.rint(exact)) > 1e-4  # float32 and float64 may round to either side of a whole number
    assert clear.mean() > 0.3
    assert np.array_equal(counts[clear], np.floor(exact[clear]))


def test_the_floor_under_the_first_layer_changes_no_spike(ann):
    images = held(digits()[1][0][:20], 16)
    network = rate_coded(ann, thresholds(ann, pixels(images, ann), [99.0])[99.0], steps=16, shift=0.25)
    floored = [population.name for population in network.neurons if population.neuron.floor is not None]
    assert floored == [ann.neuron_nodes()[0].name]
    without = [
        replace(population, neuron=replace(population.neuron, floor=None)) if population.name in floored else population
        for population in network.populations
    ]
    plain = replace(network, populations=tuple(without))
    with_floor, expected = (record(floating.steps(folded(each), images)) for each in (network, plain))
    assert all(np.array_equal(with_floor[name], expected[name]) for name in expected)


def test_thresholds_are_the_largest_percentile_of_the_batches(ann):
    batches = pixels(held(digits()[0][0][:100], 1), ann)
    assert [len(batch) for batch in batches] == [50, 50]
    first = ann.neuron_nodes()[0].name
    levels = thresholds(ann, batches, [99.0, 100.0])
    with torch.no_grad():
        found = [sum(layer(ann.normalized(each)) for layer in ann.projections_into(first)).relu() for each in batches]
    ranked = [each.flatten().sort().values for each in found]
    assert levels[100.0][first] == max(float(each[-1]) for each in ranked)
    assert levels[99.0][first] == max(float(each[int(np.ceil(0.99 * len(each))) - 1]) for each in ranked)


def test_the_pair_with_the_smallest_error_is_chosen(ann):
    chosen = choose(ann, held(digits()[0][0][:40], 8), steps=8, percentiles=(60.0, 99.9), shifts=(0.0, 0.5))
    assert chosen.error == min(chosen.tried.values()) == chosen.tried[chosen.percentile, chosen.shift]
    assert len(set(chosen.tried.values())) == 4
    assert chosen.percentile == 99.9


def test_a_population_that_gives_nothing_is_named():
    net = layers().eval()
    with torch.no_grad():
        net[4].bias.fill_(-5)
    ann = from_torch(net, np.zeros((1, 1, 8, 8), np.float32)).model
    chosen = choose(ann, held(digits()[0][0][:10], 4), steps=4, percentiles=(99.0,), shifts=(0.0,))
    (note,) = chosen.notes
    assert "gives nothing on any calibration image; its threshold is 1" in note
