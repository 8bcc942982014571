"""Records spikes and gradients of SpikingJelly 2.0.0's neurons, in an environment of its own.

python record_spikingjelly.py spikingjelly.npz        (pip install spikingjelly==2.0.0)
"""

import sys

import numpy as np
import torch
from spikingjelly.activation_based import neuron, surrogate

SURROGATES = {
    "piecewise_linear": surrogate.PiecewiseQuadratic(alpha=1.0),
    "arctan": surrogate.ATan(alpha=2.0),
}


def layer(leak, reset, name):
    """Return neurons; a leak tau of ours is 1 - 1 / tau of theirs."""
    settings = {
        "v_threshold": 0.75,
        "v_reset": 0.0 if reset == "hard" else None,
        "surrogate_function": SURROGATES[name],
        "detach_reset": False,
        "step_mode": "m",
    }
    return neuron.IFNode(**settings) if leak == 1 else neuron.LIFNode(tau=1 / (1 - leak), decay_input=False, **settings)


def main(path):
    """Record every leak, reset and surrogate on the same currents."""
    torch.manual_seed(0)
    currents = torch.randn(8, 3, 2, 4, 5, dtype=torch.float64)
    weights = torch.randn(8, 3, 2, 4, 5, dtype=torch.float64)
    arrays = {"currents": currents.numpy(), "weights": weights.numpy()}
    for leak in (1.0, 0.5, 0.75):
        for reset in ("hard", "subtractive"):
            for name in SURROGATES:
                given = currents.clone().requires_grad_()
                spikes = layer(leak, reset, name)(given)
                (gradient,) = torch.autograd.grad((spikes * weights).sum(), given)
                arrays[f"{leak},{reset},{name},spikes"] = spikes.detach().numpy().astype(np.uint8)
                arrays[f"{leak},{reset},{name},gradient"] = gradient.numpy()
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
