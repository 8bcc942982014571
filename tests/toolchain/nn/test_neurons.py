"""The time loop against the same written out step by step, differentiated by PyTorch."""

import copy
import math
import subprocess
import sys
import weakref
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from spikeport.export.errors import TrainingError
from spikeport.toolchain.nn import compiled_loop, plain_loop
from spikeport.toolchain.nn import moments as moments_module
from spikeport.toolchain.nn import neurons as neurons_module
from spikeport.toolchain.nn.kernels import TILE
from spikeport.toolchain.nn.neurons import MINIMUM_THRESHOLD, IntegrateAndFire, Spikes
from spikeport.toolchain.nn.noise import gaussian, keys
from spikeport.toolchain.nn.packed import packed
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.nn.surrogates.arctan import Arctan
from spikeport.toolchain.nn.surrogates.exponential import Exponential
from spikeport.toolchain.nn.surrogates.piecewise_linear import PiecewiseLinear
from spikeport.toolchain.nn.surrogates.probit import Probit
from spikeport.toolchain.nn.surrogates.rectangular import Rectangular
from spikeport.toolchain.nn.surrogates.straight_through import StraightThrough
from tests.strategies import cases, seeds
from tests.toolchain.nn.plain_neurons import spikes_and_penalty

SURROGATES = (
    PiecewiseLinear(),
    PiecewiseLinear(width=0.5),
    Exponential(height=0.3, steepness=2.0),
    Rectangular(width=1.5),
    Arctan(),
    StraightThrough(),
    Probit(),
    Probit(sigma=0.1),
)
MAPS = ((2, 4, 5), (3, 6, 6), (1, 19, 20), (7,), (300,))
"""Shapes of a population: several tiles of a row, windows that leave rows and columns out, flat ones."""


def neurons(spiking, dtype=torch.float64, threshold=0.6):
    made = IntegrateAndFire(spiking).to(dtype)
    made.threshold.data.fill_(threshold)
    return made


def batch_norm(channels, *, training, dtype=torch.float64):
    norm = nn.BatchNorm2d(channels).to(dtype).train(training)
    for values, least in ((norm.weight, 0.5), (norm.bias, -1), (norm.running_mean, -1), (norm.running_var, 0.5)):
        values.data.uniform_(least, 2)
    return norm


def with_gradients(spikes, weights, inputs):
    return [spikes.detach(), *torch.autograd.grad((spikes * weights).sum(), inputs)]


@st.composite
def situations(draw, surrogates=SURROGATES):
    """Draw (spiking, shape of the population, held, pool, norm: None, 'batch' or 'running', margin, seed)."""
    spiking = Spiking(
        steps=draw(st.integers(1, 7)),
        tau=draw(st.sampled_from([0.0, 0.5, 0.9, 1.0])),
        reset=draw(st.sampled_from(["hard", "subtractive"])),
        train_tau=True,
        surrogate=draw(st.sampled_from(surrogates)),
        noise=draw(st.sampled_from([0.0, 0.0, 0.1, 0.7])),
    )
    shape = draw(st.sampled_from(MAPS))
    maps = len(shape) == 3
    norm = draw(st.sampled_from([None, "batch", "running"])) if maps else None
    margin = draw(st.sampled_from([None, 0.3, 2.0]))
    pool = draw(st.sampled_from([1, 2, 3])) if maps else 1
    return spiking, shape, draw(st.booleans()), pool, norm, margin, draw(seeds)


@cases(100)
@given(situation=situations(SURROGATES[:2]))
def test_compiled_loops_give_spikes_and_gradients_of_the_loop_written_out(situation):
    compare(situation, compiled_loop)


@pytest.mark.slow  # compiles a loop for each surrogate
@cases(300)
@given(situation=situations())
def test_so_they_do_with_every_surrogate(situation):
    compare(situation, compiled_loop)


@cases(100)
@given(situation=situations())
def test_plain_loops_give_the_same(situation):
    compare(situation, plain_loop)


@contextmanager
def computed_by(module):
    """Let one module compute spikes, gradients and moments."""
    with (
        mock.patch.object(neurons_module, "loops_on", return_value=module),
        mock.patch.object(moments_module, "loops_on", return_value=module),
    ):
        yield


def compare(situation, module, device="cpu", form=torch.contiguous_format):
    spiking, shape, held, pool, kind, margin, seed = situation
    torch.manual_seed(seed)
    layer = neurons(spiking).to(device)
    norm = None if kind is None else batch_norm(shape[0], training=kind == "batch").to(device)
    twin = copy.deepcopy(norm)
    steps = 1 if held else spiking.steps
    current = torch.randn(steps * 3, *shape, dtype=torch.float64).to(device)
    current = (current.contiguous(memory_format=form) if len(shape) == 3 else current).unflatten(0, (steps, 3))
    current.requires_grad_()
    noise = disturbances(spiking, (3, *shape), seed).to(device) if spiking.noise else None
    spikes, penalty = spikes_and_penalty(
        current, spiking, threshold=layer.threshold, tau=layer.tau, norm=twin, pool=pool, noise=noise, margin=margin
    )
    weights, strength = torch.randn_like(spikes), 0.0 if margin is None else torch.randn(1).item() * spikes.numel()
    affine = [] if norm is None else [twin.weight, twin.bias]
    inputs = [current, layer.threshold, layer.tau]
    expected = torch.autograd.grad((spikes * weights).sum() + strength * penalty, [*inputs, *affine])
    with computed_by(module):
        generator = torch.Generator().manual_seed(seed)
        sent = layer(current, spiking, norm=norm, pool=pool, margin=margin, generator=generator)
        affine = [] if norm is None else [norm.weight, norm.bias]
        total = (sent.values * weights).sum() + (0 if margin is None else strength * sent.penalty)
        found = torch.autograd.grad(total, [*inputs, *affine])
    assert torch.equal(sent.values, spikes)
    assert torch.equal(sent.counts, torch.round(spikes * pool**2).to(torch.uint8))
    assert (sent.penalty is None) == (margin is None)
    if margin is not None:
        assert torch.allclose(sent.penalty, penalty, rtol=1e-9)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    if norm is not None:
        assert torch.allclose(norm.running_mean, twin.running_mean, rtol=1e-12)
        assert torch.allclose(norm.running_var, twin.running_var, rtol=1e-12)


def disturbances(spiking, shape, seed):
    """Return the normal numbers that neurons (N, C, ...) draw from a generator of this seed, (T, N, C, ...)."""
    drawn = keys(spiking.steps, torch.Generator().manual_seed(seed))
    places = torch.arange(math.prod(shape)).view(shape)
    return torch.stack([gaussian(pair, places).double() for pair in drawn])


@cases(100)
@given(
    levels=st.lists(st.integers(-4, 6), min_size=6, max_size=6),
    reset=st.sampled_from(["hard", "subtractive"]),
    tau=st.sampled_from([1.0, 0.5]),
)
def test_neurons_fire_at_the_threshold_exactly(levels, reset, tau):
    """Currents in quarters meet the threshold of 0.75 all the time."""
    spiking = Spiking(steps=6, tau=tau, reset=reset)
    potential, expected = 0.0, []
    for level in levels:
        potential = tau * potential + level / 4
        expected.append(potential >= 0.75)
        if potential >= 0.75:
            potential = 0.0 if reset == "hard" else potential - 0.75
    current = torch.tensor(levels, dtype=torch.float32).view(6, 1, 1) / 4
    found = neurons(spiking, torch.float32, 0.75)(current, spiking)
    assert found.values.flatten().tolist() == expected


def test_neurons_of_eq_1_to_3():
    spiking = Spiking(steps=3)
    currents = torch.tensor([[0.5, 1.0, -1.0], [0.5, 0.25, 2.0], [0.5, 0.5, 0.5]]).unsqueeze(1)
    expected = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]).unsqueeze(1)
    assert torch.equal(IntegrateAndFire(spiking)(currents, spiking).values, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_thread_and_two_give_the_same_bits(dtype):
    spiking = Spiking(steps=5, tau=0.8, train_tau=True)
    layer, current = neurons(spiking, dtype), torch.randn(5, 3, 5, 8, 8, dtype=dtype, requires_grad=True)
    weights, results, before = torch.randn(5, 3, 5, 4, 4, dtype=dtype), [], torch.get_num_threads()
    norm = batch_norm(5, training=True, dtype=dtype)
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        try:
            sent = layer(current, spiking, norm=copy.deepcopy(norm), pool=2)
            results.append(with_gradients(sent.values, weights, [current, layer.threshold, layer.tau]))
        finally:
            torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("module", [compiled_loop, plain_loop])
def test_channels_last_gives_the_same_gradients(module):
    """Convolutions in channels_last give currents whose strides are not in order."""
    spiking, norm = Spiking(steps=3), batch_norm(4, training=True)
    plain = torch.randn(3 * 5, 4, 6, 6, dtype=torch.float64)
    weights, results = torch.randn(3, 5, 4, 3, 3, dtype=torch.float64), []
    for form in (torch.contiguous_format, torch.channels_last):
        layer = neurons(spiking)
        current = plain.contiguous(memory_format=form).unflatten(0, (3, 5)).requires_grad_()
        with computed_by(module):
            sent = layer(current, spiking, norm=copy.deepcopy(norm), pool=2)
            results.append(with_gradients(sent.values, weights, [current, layer.threshold]))
    assert results[0][1].abs().max() > 0
    assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in zip(*results, strict=True))


def test_loops_leave_the_number_of_threads_as_it_was_and_a_fork_alive():
    """In a new process, where numba has not started its threads: as many as cores, whatever PyTorch is told."""
    code = (
        "import os, torch\n"
        "from spikeport.toolchain.nn.neurons import IntegrateAndFire\n"
        "from spikeport.toolchain.nn.spiking import Spiking\n"
        "for threads in (1, 3):\n"
        "    torch.set_num_threads(threads)\n"
        "    IntegrateAndFire(Spiking(steps=2))(torch.rand(2, 3, 4), Spiking(steps=2))\n"
        "    assert torch.get_num_threads() == threads\n"
        "child = os.fork()\n"
        "torch.set_num_threads(1)\n"
        "IntegrateAndFire(Spiking(steps=2))(torch.rand(2, 3, 4), Spiking(steps=2))\n"
        "assert not child or os.waitpid(child, 0)[1] == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_windows_wider_than_a_tile_are_left_to_the_next_layer():
    spiking = Spiking(steps=2)
    current = torch.randn(2, 1, 1, 2, TILE)
    sent = neurons(spiking, torch.float32)(current, spiking, pool=2)
    assert sent.pool == 1
    assert sent.values.shape == current.shape


def test_half_precision_is_computed_in_single():
    spiking = Spiking(steps=2)
    current = torch.randn(2, 3, 4).bfloat16().requires_grad_()
    sent = neurons(spiking, torch.float32)(current, spiking)
    assert sent.values.dtype == torch.float32
    assert torch.autograd.grad(sent.values.sum(), current)[0].dtype == torch.bfloat16


def test_batch_norm_of_one_value_a_channel_is_refused():
    spiking = Spiking(steps=2)
    with pytest.raises(TrainingError, match="one value a channel; expected two or more"):
        neurons(spiking)(torch.zeros(1, 1, 3, 1, 1).double(), spiking, norm=batch_norm(3, training=True))


def test_threshold_and_leak_stay_in_their_ranges():
    layer = IntegrateAndFire(Spiking(train_tau=True))
    layer.threshold.data.fill_(-1.0)
    layer.tau.data.fill_(1.5)
    layer.clamp_threshold()
    assert layer.threshold.item() == pytest.approx(MINIMUM_THRESHOLD)
    assert layer.tau.item() == 1
    assert set(layer.state_dict()) == {"threshold", "tau"}


def test_what_does_not_train_gets_no_gradient():
    layer = IntegrateAndFire(Spiking(train_threshold=False))
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    assert set(layer.state_dict()) == {"threshold"}


@pytest.mark.parametrize("pool", [1, 3])
def test_spikes_are_kept_as_bytes_and_give_the_same_gradient(pool):
    """The spikes themselves are gone once the layer behind them has run."""
    counts = torch.randint(0, pool**2 + 1, (4, 2, 6, 6), dtype=torch.uint8)
    weight = torch.randn(3, 2, 3, 3, requires_grad=True)

    def spikes():
        return (counts.float() / pool**2).requires_grad_()

    expected = torch.autograd.grad(functional.conv2d(values := spikes(), weight).square().sum(), (weight, values))
    leaf = spikes()
    values = leaf * 1
    gone = weakref.ref(values)
    with packed(Spikes(values.unsqueeze(0), counts.unsqueeze(0), pool)):
        result = functional.conv2d(values, weight)
    del values
    assert gone() is None
    found = torch.autograd.grad(result.square().sum(), (weight, leaf))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
