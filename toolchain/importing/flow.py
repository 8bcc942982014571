"""What feeds each batch norm of a PyTorch module: by torch.fx, or by a run on an example."""

from collections import defaultdict
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from spikeport.export.errors import NetworkError, one_line

Norm = _BatchNorm
Synapses = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
OUTPUT = "the module's output"
Ends = dict[Any, set[Any]]
"""For each module the modules at the other end, or words where no module is."""


@dataclass(frozen=True)
class Flow:
    """``feeding``: what each norm gets; ``users``: where the output of each layer goes."""

    feeding: Ends = field(default_factory=lambda: defaultdict(set))
    users: Ends = field(default_factory=lambda: defaultdict(set))


def names_of(module: nn.Module) -> dict[nn.Module, str]:
    """Return the first name of every part of a module."""
    return {part: name for name, part in module.named_modules()}


def flow_of(module: nn.Module, example: Tensor | tuple[Tensor, ...] | None) -> Flow:
    """Return what feeds each norm; `NetworkError` where it cannot be followed."""
    return _traced(module) if example is None else _observed(module, example)


class _Tracer(fx.Tracer):
    """Goes into what holds norms and into Sequentials; neurons, layers and blocks without norm stay whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        del module_qualified_name
        return not isinstance(m, nn.Sequential) and not any(
            isinstance(part, Norm) for part in m.modules() if part is not m
        )

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return super().call_module(m, _inner(m) if _in_order(m) else forward, args, kwargs)


def _in_order(module: nn.Module) -> bool:
    """Whether a module is a container of SpikingJelly, which runs a Sequential over time in one way or another."""
    return isinstance(module, nn.Sequential) and type(module).__module__.startswith("spikingjelly")


def _inner(module: nn.Module) -> Callable[..., Any]:
    return partial(nn.Sequential.forward, cast("nn.Sequential", module))


def _traced(module: nn.Module) -> Flow:
    """Return what torch.fx finds."""
    root = nn.Sequential(module) if _in_order(module) else module
    try:
        graph = _Tracer().trace(root)
    except Exception as error:  # noqa: BLE001 - whatever a forward function makes of a proxy
        raise NetworkError(
            f"torch.fx cannot follow the forward function of {type(module).__name__} ({one_line(error)}); "
            "give an example of its input: fold_batch_norm(module, example)"
        ) from None
    flow = Flow()
    parts = {node: _part(node, root) for node in graph.nodes}
    for node in graph.nodes:
        if isinstance(parts[node], Norm):
            flow.feeding[parts[node]] |= {parts[source] for source in node.all_input_nodes}
        for source in node.all_input_nodes:
            if isinstance(parts[source], Synapses):
                flow.users[parts[source]].add(parts[node])
    return flow


def _part(node: fx.Node, root: nn.Module) -> Any:
    """Return the module of a node, or what the node is."""
    if node.op == "call_module":
        return root.get_submodule(str(node.target))
    return {"output": OUTPUT, "placeholder": "the module's input"}.get(node.op, f"the operation {node.name}")


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operation that reads the output of a layer outside of the norm that it feeds."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flow = flow
        self.made: dict[int, tuple[nn.Module, Tensor]] = {}
        self.norm: nn.Module | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        for value in tree_leaves((args, kwargs or {})):
            if self.norm is None and id(value) in self.made:
                self.flow.users[self.made[id(value)][0]].add(f"the operation {func.overloadpacket.__name__}")
        if self.norm is not None and "batch_norm" in func.overloadpacket.__name__:
            self._check_axes(args[0])
        return func(*args, **(kwargs or {}))

    def _check_axes(self, values: Tensor) -> None:
        """Refuse a norm over another axis than the outputs of its Linear."""
        if values.ndim > 2 and any(isinstance(source, nn.Linear) for source in self.flow.feeding[self.norm]):
            self.flow.feeding[self.norm].add("axes other than the outputs of its Linear")

    def enter(self, norm: nn.Module, args: tuple[Tensor, ...]) -> None:
        """A norm is called."""
        self.norm, source = norm, self.made.get(id(args[0]))
        self.flow.feeding[norm].add(source[0] if source else "the output of an operation")
        if source:
            self.flow.users[source[0]].add(norm)

    def leave(self, *_: Any) -> None:
        """A norm has returned."""
        self.norm = None

    def keep(self, synapses: nn.Module, _args: Any, output: Tensor) -> None:
        """A layer has made ``output``, which is kept so that its identity is not given away."""
        self.made[id(output)] = (synapses, output)
        self.flow.users.setdefault(synapses, set())


def _observed(module: nn.Module, example: Tensor | tuple[Tensor, ...]) -> Flow:
    """Return what a run of a copy finds."""
    arguments = example if isinstance(example, tuple) else (example,)
    try:
        copy = deepcopy(module, _detached(module))
        watch = _Watch(Flow())
        for part in copy.modules():
            if isinstance(part, Norm):
                part.register_forward_pre_hook(watch.enter)
                part.register_forward_hook(watch.leave)
            elif isinstance(part, Synapses):
                part.register_forward_hook(watch.keep)
        with torch.no_grad(), watch:
            output = copy(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever a network makes of a wrong example
        raise NetworkError(f"{type(module).__name__} does not run on the example: {one_line(error)}") from None
    for value in tree_leaves(output):
        if id(value) in watch.made:
            watch.flow.users[watch.made[id(value)][0]].add(OUTPUT)
    return _of_original(watch.flow, dict(zip(copy.modules(), module.modules(), strict=True)))


def _detached(module: nn.Module) -> dict[int, Any]:
    """Return copies of what a module has computed and keeps, states of neurons for instance, which deepcopy refuses."""
    kept = (value for part in module.modules() for value in tree_leaves(vars(part)))
    return {id(value): value.detach().clone() for value in kept if isinstance(value, Tensor) and not value.is_leaf}


def _of_original(flow: Flow, original: dict[nn.Module, nn.Module]) -> Flow:
    """Return a flow between the parts of the module whose copy was run."""
    feeding, users = (
        {
            original[part]: {end if isinstance(end, str) else original[end] for end in ends}
            for part, ends in each.items()
        }
        for each in (flow.feeding, flow.users)
    )
    return Flow(feeding=feeding, users=users)
