"""What must hold after every update: pruned weights are zero, thresholds stay above their floor."""

import torch

from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.snn import SNN


@torch.no_grad()
def keep_sparse(model: Backbone) -> None:
    """Set every pruned weight to zero, exactly (Schmolli et al., Eq. 9), whatever momentum and decay left."""
    for synapses in model.synapses().values():
        if not synapses.whole():
            synapses.weight.mul_(synapses.mask)


def hold(model: torch.nn.Module) -> None:
    """Bring a network of ours back to its masks and floors; other modules are left as they are."""
    if isinstance(model, Backbone):
        keep_sparse(model)
    if isinstance(model, SNN):
        for neurons in model.neuron_list():
            neurons.clamp_threshold()


def sparsity(model: torch.nn.Module) -> float:
    """Return the share of weights that are exactly zero under the masks in force, over all synaptic layers."""
    layers = model.synapses().values() if isinstance(model, Backbone) else ()
    weights = [(synapses.weight * synapses.connectivity()).detach() for synapses in layers]
    zeros = sum(int((weight == 0).sum()) for weight in weights)
    return zeros / max(1, sum(weight.numel() for weight in weights))
