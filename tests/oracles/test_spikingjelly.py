"""Spikes and gradients of our neurons are SpikingJelly's, in float64; `record_spikingjelly.py` recorded them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from spikeport.toolchain.choices import kinds
from spikeport.toolchain.nn.neurons import IntegrateAndFire
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate

RECORDED = Path(__file__).parent / "training" / "spikingjelly.npz"


@pytest.mark.oracle
@pytest.mark.parametrize("surrogate", ["piecewise_linear", "arctan"])
@pytest.mark.parametrize("reset", ["hard", "subtractive"])
@pytest.mark.parametrize("leak", [1.0, 0.5, 0.75])
def test_spikes_and_gradients_are_spikingjellys(leak, reset, surrogate):
    with np.load(RECORDED, allow_pickle=False) as arrays:
        currents, weights, spikes, gradient = (
            arrays[name]
            for name in ("currents", "weights", *(f"{leak},{reset},{surrogate},{k}" for k in ("spikes", "gradient")))
        )
    spiking = Spiking(steps=8, tau=leak, reset=reset, surrogate=kinds(Surrogate)[surrogate]())
    layer = IntegrateAndFire(spiking).double()
    layer.threshold.data.fill_(0.75)
    given = torch.from_numpy(currents).requires_grad_()
    found = layer(given, spiking).values
    assert np.array_equal(found.detach().numpy(), spikes)
    assert 0 < found.mean() < 1
    (back,) = torch.autograd.grad((found * torch.from_numpy(weights)).sum(), given)
    np.testing.assert_allclose(back.numpy(), gradient, rtol=1e-9, atol=1e-12)
