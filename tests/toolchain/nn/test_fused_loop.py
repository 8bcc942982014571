"""The kernels for a GPU against the time loop written out: on a GPU, or in Triton's interpreter on the CPU.

TRITON_INTERPRET=1 pytest tests/toolchain/nn/test_fused_loop.py      (needs Triton; a GPU is not needed)
"""

import copy
import os
from importlib import util

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn import functional

from spikeport.toolchain.nn import backends, plain_loop
from spikeport.toolchain.nn.loop import Loop, Noise, Normal
from spikeport.toolchain.nn.noise import keys
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.nn.surrogates.piecewise_linear import PiecewiseLinear
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate
from tests.strategies import cases
from tests.toolchain.nn.test_neurons import batch_norm, compare, computed_by, neurons, situations, with_gradients

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
pytestmark = pytest.mark.skipif(
    util.find_spec("triton") is None or (DEVICE == "cpu" and not INTERPRETED),
    reason="needs Triton, and a GPU or TRITON_INTERPRET=1",
)
FORMS = st.sampled_from([torch.contiguous_format, torch.channels_last])


@pytest.fixture(scope="module")
def fused_loop():
    from spikeport.toolchain.nn import fused_loop  # noqa: PLC0415 - needs Triton

    return fused_loop


@cases(60)
@given(situation=situations(), form=FORMS)
def test_kernels_give_spikes_and_gradients_of_the_loop_written_out(fused_loop, situation, form):
    """In double precision, to 1e-9, in both layouts of memory."""
    assume(taken(situation))
    compare(situation, fused_loop, DEVICE, form)


def taken(situation):
    """Return whether guarded neurons lie in whole windows."""
    _, shape, _, pool, _, margin, _ = situation
    return margin is None or all(side % pool == 0 for side in shape[1:])


@cases(30)
@given(situation=situations(), form=FORMS)
def test_spikes_in_single_precision_are_those_of_pytorch_bit_for_bit(fused_loop, situation, form):
    spiking, shape, held, pool, _, margin, seed = situation
    torch.manual_seed(seed)
    steps = 1 if held else spiking.steps
    current = torch.randn(steps * 3, *shape).to(DEVICE)
    current = (current.contiguous(memory_format=form) if len(shape) == 3 else current).unflatten(0, (steps, 3))
    one = torch.rand(shape[0], device=DEVICE)
    normal = Normal(one * 0.3, one * 2, one + 0.5, one - 0.5) if len(shape) == 3 else Normal.none(current)
    loop = Loop(
        steps=spiking.steps, threshold=one[0] + 0.3, tau=torch.tensor(spiking.tau, device=DEVICE),
        hard=spiking.reset == "hard", surrogate=spiking.surrogate, pool=pool, margin=margin,
        noise=Noise(sigma=spiking.noise, keys=keys(spiking.steps, None)) if spiking.noise else None,
    )  # fmt: skip
    ours, theirs = fused_loop.forward(current, normal, loop), plain_loop.forward(current, normal, loop)
    assert torch.equal(ours.spikes, theirs.spikes)
    assert torch.equal(ours.counts, theirs.counts)
    assert (ours.penalty is None) == (margin is None)


@pytest.mark.skipif(INTERPRETED, reason="Triton's interpreter has no bfloat16")
def test_half_precision_stays_half_and_is_computed_in_single(fused_loop):
    spiking, norm = Spiking(steps=4), batch_norm(5, training=True, dtype=torch.float32).to(DEVICE)
    layer = neurons(spiking, torch.float32).to(DEVICE)
    current, found = torch.randn(4, 3, 5, 6, 6).to(DEVICE).bfloat16(), []
    for kind in (torch.bfloat16, torch.float32):
        given = current.to(kind).requires_grad_()
        with computed_by(fused_loop):
            sent = layer(given, spiking, norm=copy.deepcopy(norm), pool=2)
        assert sent.values.dtype == kind
        found.append(with_gradients(sent.values, torch.ones_like(sent.values), [given, layer.threshold]))
    half, single = found
    assert torch.equal(half[0].float(), single[0])
    assert half[1].dtype == torch.bfloat16
    assert functional.cosine_similarity(half[1].float().flatten(), single[1].flatten(), 0) > 0.999
    assert torch.allclose(half[2], single[2], rtol=1e-3)


@cases(30)
@given(situation=situations(), form=FORMS)
def test_moments_are_those_of_pytorch(fused_loop, situation, form):
    spiking, shape, held, _, _, _, seed = situation
    torch.manual_seed(seed)
    current = torch.randn(1 if held else spiking.steps, 3, *(shape if len(shape) == 3 else (*shape, 1, 1)))
    current = current.double().to(DEVICE).flatten(0, 1).contiguous(memory_format=form).unflatten(0, (-1, 3))
    values, squares = fused_loop.moments(current, shape[0])
    assert torch.allclose(values, current.sum((1, 3, 4)), rtol=1e-12, atol=1e-12)
    assert torch.allclose(squares, current.square().sum((1, 3, 4)), rtol=1e-12)
    norm = batch_norm(shape[0], training=True).to(DEVICE)
    twin = copy.deepcopy(norm)
    mean, inverse = fused_loop.follow(current, norm)
    expected = twin(current.flatten(0, 1))
    assert torch.allclose(mean, current.mean((0, 1, 3, 4)), rtol=1e-12, atol=1e-12)
    scaled = (current.flatten(0, 1) - mean[:, None, None]) * inverse[:, None, None]
    found = scaled * norm.weight[:, None, None] + norm.bias[:, None, None]
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9)
    for ours, theirs in zip(norm.buffers(), twin.buffers(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-12)


def test_kernels_leave_out_what_they_do_not_know(fused_loop):
    class OfMyOwn(Surrogate, frozen=True, kw_only=True, tag="of_my_own"):
        pass

    current = torch.zeros(1, 1, 1, 4, 4, device=DEVICE)

    def loop(surrogate=PiecewiseLinear(width=0.3), steps=8, **others):  # noqa: B008 - it is frozen
        neuron = {"threshold": torch.ones(()), "tau": torch.ones(()), "hard": True}
        return Loop(steps=steps, surrogate=surrogate, **neuron, **others)

    noise = Noise(sigma=0.2, keys=keys(8, None))
    assert fused_loop.takes(loop(steps=fused_loop.MOST_STEPS), current)
    assert not fused_loop.takes(loop(steps=fused_loop.MOST_STEPS + 1), current)
    assert not fused_loop.takes(loop(OfMyOwn()), current)
    assert fused_loop.takes(loop(OfMyOwn(), noise=noise), current)
    assert fused_loop.takes(loop(margin=0.2, pool=2), current)
    assert not fused_loop.takes(loop(margin=0.2, pool=3), current)
    if DEVICE == "cuda":
        assert backends.loops_on(current, loop()) is fused_loop
        assert backends.loops_on(current, loop(OfMyOwn())) is plain_loop
