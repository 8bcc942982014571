"""Fold batch norm of PyTorch, snnTorch and SpikingJelly networks into the synapses before it, in place."""

from collections import Counter

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from spikeport.export.errors import NetworkError
from spikeport.toolchain.importing.flow import Flow, Norm, Synapses, flow_of, names_of

FRAMEWORKS = ("torch.nn", "spikingjelly")


def fold_batch_norm(module: nn.Module, example: Tensor | tuple[Tensor, ...] | None = None) -> dict[str, str]:
    """Fold every batch norm of ``module`` in place, and return the layer that took each norm over, by name.

    A norm in evaluation mode behind a convolution or a `torch.nn.Linear` is itself linear, per channel c:
    ``w'_c = w_c g_c / sqrt(var_c + eps)`` and ``b'_c = (b_c - mean_c) g_c / sqrt(var_c + eps) + beta_c``
    (Jacob et al., CVPR 2018, section 3.2). The module's outputs stay as they are, but for rounding. An empty
    `torch.nn.Sequential` takes the norm's place: the NIR exporters of snnTorch and SpikingJelly pass over it.

    ``module``: in evaluation mode, of PyTorch, snnTorch or SpikingJelly layers, step modes 's' and 'm'.
    ``example``: an input of the module, or a tuple of its arguments. With it, a copy of the module is run once to see
    what feeds each norm; without, torch.fx traces the forward functions, which loops over unknown lengths prevent; a
    Linear is then taken to give (N, features). Raises `NetworkError` with the name of a norm that cannot be folded:
    whatever else uses its layer's output, or feeds it; then nothing is changed.
    """
    norms = [part for part in module.modules() if isinstance(part, Norm)]
    names = names_of(module)
    for norm in norms:
        _check_norm(norm, names[norm])
    flow = flow_of(module, example) if norms else Flow()
    pairs = [(norm, _partner(norm, flow, names)) for norm in norms]
    for norm, synapses in pairs:
        _check_synapses(synapses, norm, names, module)
    for norm, synapses in pairs:
        _fold(norm, synapses)
        _replace(module, norm)
    return {names[norm]: names[synapses] for norm, synapses in pairs}


def _check_norm(norm: Norm, name: str) -> None:
    """Refuse a norm that is no fixed scale and shift per channel."""
    kind = type(norm).__name__
    if not name:
        raise NetworkError(f"the module is a {kind} alone; expected a network that holds it and the layer before it")
    if not _known(norm, ("forward",)) or kind.startswith(("Temporal", "Lazy")):
        raise NetworkError(f"{name}: {kind} is not one scale and shift per channel; expected BatchNorm1d, 2d or 3d")
    if norm.training:
        raise NetworkError(
            f"{name}: is in training mode, where it takes statistics of the batch; call module.eval() first"
        )
    if norm.running_mean is None or norm.running_var is None:
        raise NetworkError(f"{name}: keeps no running statistics; expected track_running_stats=True")
    _check_hooks(norm, name)


def _partner(norm: Norm, flow: Flow, names: dict[nn.Module, str]) -> Synapses:
    """Return the one layer whose output goes into ``norm`` and nowhere else."""
    name, feeding = names[norm], flow.feeding.get(norm, set())
    if not feeding:
        raise NetworkError(f"{name}: is not used where the module was followed; remove it, or give an example")
    if len(feeding) > 1:
        raise NetworkError(f"{name}: is fed by {_listed(feeding, names)}; expected one layer alone")
    (source,) = feeding
    if not isinstance(source, Synapses):
        found = _listed({source}, names)
        raise NetworkError(f"{name}: is fed by {found}; only a norm right behind a convolution or Linear can be folded")
    others = flow.users[source] - {norm}
    if others:
        raise NetworkError(
            f"{name}: the output of {names[source]} also goes to {_listed(others, names)}, which would change; "
            "a norm is folded where its layer feeds nothing else"
        )
    return source


def _check_synapses(synapses: Synapses, norm: Norm, names: dict[nn.Module, str], module: nn.Module) -> None:
    """Refuse a layer whose weights are not its own plain parameters, or whose channels are not the norm's."""
    name, kind = names[synapses], type(synapses).__name__
    if not _known(synapses, ("forward", "_conv_forward")):
        raise NetworkError(f"{name}: {kind} has a forward function of its own; expected Conv1d, 2d, 3d or Linear")
    if "weight" not in synapses._parameters:  # noqa: SLF001 - parametrizations and pruning leave no parameter
        raise NetworkError(
            f"{name}: its weight is computed from other tensors (a parametrization, weight_norm or prune); make it "
            "a parameter first, for instance by parametrize.remove_parametrizations or prune.remove"
        )
    channels, expected = synapses.weight.shape[0], norm.num_features
    if channels != expected:
        raise NetworkError(f"{names[norm]}: has {expected} features; {name}, which feeds it, has {channels} outputs")
    owners = Counter(id(each) for part in module.modules() for each in part._parameters.values())  # noqa: SLF001
    for parameter in (synapses.weight, synapses.bias):
        if parameter is not None and owners[id(parameter)] > 1:
            raise NetworkError(f"{name}: shares its weights with another layer, which would change")
    _check_hooks(synapses, name)


def _check_hooks(part: nn.Module, name: str) -> None:
    if part._forward_hooks or part._forward_pre_hooks:  # noqa: SLF001 - torch has no public question for them
        raise NetworkError(f"{name}: has forward hooks, which may change its output; remove them first")


def _known(part: nn.Module, functions: tuple[str, ...]) -> bool:
    """Whether the functions that compute the output are those of PyTorch or SpikingJelly."""
    made_by = (getattr(getattr(type(part), name, None), "__module__", FRAMEWORKS[0]) for name in functions)
    return all(module.startswith(FRAMEWORKS) for module in made_by)


def _listed(parts: set[nn.Module | str], names: dict[nn.Module, str]) -> str:
    return " and ".join(sorted(part if isinstance(part, str) else names[part] for part in parts))


@torch.no_grad()
def _fold(norm: Norm, synapses: Synapses) -> None:
    """Give ``synapses`` the weight and bias of both."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    statistics = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
    weight, bias = fuse_conv_bn_weights(synapses.weight, synapses.bias, *statistics)
    synapses.weight.copy_(weight)
    if synapses.bias is None:
        synapses.bias = nn.Parameter(bias.to(synapses.weight), requires_grad=synapses.weight.requires_grad)
    else:
        synapses.bias.copy_(bias)


def _replace(module: nn.Module, norm: nn.Module) -> None:
    """Put an empty Sequential in every place of ``norm``."""
    for parent in module.modules():
        for name, child in parent.named_children():
            if child is norm:
                setattr(parent, name, nn.Sequential())
