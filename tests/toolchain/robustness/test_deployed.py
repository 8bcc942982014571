"""`Deployed`: the reference's scores of PyTorch images, and a refusal where a pixel is no level."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import AttackError, StimulusError
from spikeport.export.executors import floating, reference
from spikeport.export.input_as import taking
from spikeport.export.network import Source
from spikeport.export.passes import folded
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import scores
from spikeport.toolchain.data.dataset import LEVEL
from spikeport.toolchain.evaluation import rounded_inside
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.robustness.deployed import Deployed
from spikeport.toolchain.verbs.networks import with_source
from tests.strategies import cases, inputs, integer_networks
from tests.toolchain.networks import images, integers, snn

NETWORK = integers()


def of_reference(network, levels):
    driven = stimulus(levels, network)
    return scores(reference.steps(network, driven), network, len(driven))


@given(st.data(), integer_networks(floors=True))
@cases(15)
def test_scores_of_images_are_the_references(data, network):
    levels = data.draw(inputs(network))
    deployed = Deployed(network, threads=2)
    times = network.steps if deployed._run.rule == "mean" else 1
    pixels = torch.from_numpy(levels / network.source.neuron.levels).float()
    found = deployed(pixels)
    assert found.dtype == torch.int64
    assert np.array_equal(found.numpy(), of_reference(network, levels) * times)


@pytest.mark.parametrize("steps", [0, 1, 4, 8.0])
def test_attacked_images_of_single_precision_are_on_levels(steps):
    """Corners of a ball of whole levels, as Square asks for them."""
    clean = images(8)
    signs = torch.randint(-1, 2, clean.shape, generator=torch.Generator().manual_seed(3))
    moved = (clean + steps * LEVEL * signs).clamp(0, 1)
    expected = (torch.round(clean * 255) + steps * signs).clamp(0, 255).numpy().astype(np.uint8)
    assert np.array_equal(Deployed(NETWORK)(moved).numpy(), of_reference(NETWORK, expected))


def test_pixels_between_levels_are_refused_and_rounded_ones_are_not():
    deployed, clean = Deployed(NETWORK), images(3)
    moved = (clean + 3.5 * LEVEL).clamp(0, 1)
    with pytest.raises(AttackError, match=r"0\.5 beside a level; expected 0 to 255 and whole levels"):
        deployed(moved)
    assert len(deployed(rounded_inside(moved, clean, 3.5 * LEVEL))) == 3


@pytest.mark.parametrize("pixel", [-1 / 255, 256 / 255, float("nan"), float("inf")])
def test_pixels_outside_of_the_range_are_refused(pixel):
    moved = images(2)
    moved[1, 0, 3, 3] = pixel
    with pytest.raises(AttackError, match="expected 0 to 255 and whole levels"):
        Deployed(NETWORK)(moved)


def test_images_of_another_shape_are_refused():
    with pytest.raises(StimulusError, match=r"images of shape \(2, 8, 8\); the network takes \(N, 2, 8, 8\), or"):
        Deployed(NETWORK)(images(2)[:, 0])


@pytest.mark.parametrize("unit", [1, 0.067, 0.1])
def test_a_network_of_other_units_has_no_ball_of_pixels(unit):
    with pytest.raises(AttackError, match=f"levels of {unit}, from 0 to 15; expected levels of 1/15"):
        Deployed(with_source(NETWORK, Source(levels=15, unit=float(unit))))


def test_no_gradient_comes_out():
    moved = images(2).requires_grad_()
    assert not Deployed(NETWORK)(moved).requires_grad


def test_a_float_network_gives_the_scores_of_the_float_executor():
    with torch.no_grad():
        network = lower(snn().double())
    driven = stimulus(np.rint(images(3).numpy() * 255).astype(np.uint8), network)
    ready = folded(network)
    expected = scores(floating.steps(ready, driven), ready, 3)
    assert np.array_equal(Deployed(network)(images(3)).numpy(), expected)


def test_images_step_by_step_do_not_become_biases():
    network = taking(NETWORK, "bias")
    timed = images(2)[:, None].expand(-1, network.steps, -1, -1, -1)
    with pytest.raises(StimulusError, match="step by step"):
        Deployed(network)(timed)
    held, biases = Deployed(NETWORK)(timed), Deployed(network)(images(2))
    assert held.shape == biases.shape


def test_a_network_that_is_scored_by_its_mean_gives_whole_numbers():
    readout = NETWORK.readout
    neuron = replace(readout.neuron, decay_v=np.array(4096))
    populations = tuple(replace(p, neuron=neuron) if p is readout else p for p in NETWORK.populations)
    network = replace(NETWORK, populations=populations, bounds={})
    deployed = Deployed(network)
    assert deployed._run.rule == "mean"
    levels = np.rint(images(3).numpy() * 255).astype(np.uint8)
    found = deployed(images(3)).numpy()
    assert np.array_equal(found, np.rint(of_reference(network, levels) * network.steps))
