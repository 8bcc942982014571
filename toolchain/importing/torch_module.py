"""PyTorch modules as specifications, through `torch.export`: any forward function, seen as the calls that it makes."""

import io
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from operator import getitem
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from spikeport.export.errors import FormatError, one_line
from spikeport.toolchain.importing.aten import operations
from spikeport.toolchain.importing.builder import build
from spikeport.toolchain.importing.imported import ImportedNetwork, imported
from spikeport.toolchain.importing.levels import check_pixels
from spikeport.toolchain.importing.program import Call, Program, Ref, entered, place
from spikeport.toolchain.nn.specification import Specification

Statistics = float | Sequence[float]
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}
"""Largest difference of the logits, as a share of the largest one; 16-bit floats have few digits."""
HALF = 0.05
ENDS = ("softmax", "log_softmax", "_softmax", "_log_softmax", "sigmoid")
"""Calls that the result leaves out where they are the last."""


def from_torch(
    module: nn.Module, example: Any, *, mean: Statistics | None = None, std: Statistics | None = None
) -> ImportedNetwork:
    """Return a ReLU network in PyTorch as a specification with its weights.

    ``example`` is an input of the module with the batch as its first axis: images (N, C, H, W), signals (N, C, L),
    which become (N, C, 1, L), or features (N, F), which become (N, F, 1, 1). The module gets pixels that were
    normalised, ``(pixels - mean) / std``: one number, or one per channel; 0 and 1 if None, and a module that first
    turns levels of 255 into smaller numbers is refused then. It is read in evaluation mode and stays as it is. Its
    logits for a random input are compared with those of the result. Raises `FormatError`, which names the
    place in the module and the nearest that is supported, for what no spiking network holds.
    """
    sample = _sample(module, example)
    with _evaluating(module):
        exported = _exported(module, sample)
        network = to_network(_program(exported), mean=mean, std=std)
        _check_same(module, network, exported, sample, (_doubles(mean, 0.0), _doubles(std, 1.0)))
    return network


def to_specification(
    module: nn.Module, example: Any, *, mean: Statistics | None = None, std: Statistics | None = None
) -> Specification:
    """Return the shape of a PyTorch module as plain data, to train a network of that shape from the start.

    ``module`` and ``example`` are those of `from_torch`; so are ``mean`` and ``std``, the pixel statistics that the
    specification keeps. Its populations have the module's names. Raises `FormatError` as `from_torch` does.
    """
    return from_torch(module, example, mean=mean, std=std).specification


def to_network(program: Program, *, mean: Statistics | None, std: Statistics | None) -> ImportedNetwork:
    """Return the network of a program."""
    program, note = entered(program)
    shape = program.shapes[program.input]
    if len(shape) not in (2, 3, 4) or min(shape) < 1:
        raise FormatError(f"the example is {shape}; expected (N, C, H, W), (N, C, L) or (N, features)")
    rows, columns = (*(1,) * (4 - len(shape)), *shape[2:])[:2]
    found, output = operations(program)
    if std is None:
        check_pixels(found)
    built = build(
        found,
        output,
        shape=(shape[1], rows, columns),
        mean=statistics("mean", mean, shape[1]),
        std=statistics("std", std, shape[1]),
        flat=len(shape) == 2,
    )
    return imported(replace(built, notes=(note, *built.notes) if note else built.notes))


def statistics(name: str, value: Statistics | None, channels: int) -> list[float]:
    """Return one number per channel; a standard deviation is above zero. None leaves pixels as they are."""
    value = float(name == "std") if value is None else value
    numbers = np.asarray(value, np.float64).reshape(-1)
    numbers = np.repeat(numbers, channels) if numbers.size == 1 else numbers
    least = 0.0 if name == "std" else -np.inf
    if numbers.size != channels or not np.all(np.isfinite(numbers)) or not np.all(numbers > least):
        expected = "one number, or one for each channel" + (", above zero" if name == "std" else "")
        raise FormatError(f"{name} is {value} for {channels} channels; expected {expected}")
    if name == "mean" and numbers.max() > 1:
        raise FormatError(
            f"mean is {value}; images are pixels from 0 to 1 here, whose mean is at most 1: of levels from 0 to 255, "
            "divide mean and std by 255"
        )
    return numbers.tolist()


def _doubles(value: Statistics | None, default: float) -> Tensor:
    return torch.as_tensor(default if value is None else value, dtype=torch.float64)


def _sample(module: nn.Module, example: Any) -> Tensor:
    """Return the example in the module's precision and on its device."""
    if isinstance(example, tuple | list) and len(example) == 1:
        example = example[0]
    if isinstance(example, np.ndarray):
        example = torch.from_numpy(example)
    if not isinstance(module, nn.Module) or not isinstance(example, Tensor):
        found = f"{type(module).__name__} and {type(example).__name__}"
        raise FormatError(f"from_torch gets {found}; expected a torch.nn.Module and one tensor as example")
    first = next((each for each in module.parameters() if each.is_floating_point()), torch.zeros(()))
    return example.detach().to(first.device, first.dtype)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Let every part of a module be in evaluation mode, and as it was afterwards."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def _exported(module: nn.Module, sample: Tensor) -> torch.export.ExportedProgram:
    """Return the calls of a module that runs on the example; PyTorch's own logs and warnings are left out."""
    shape, kind = tuple(sample.shape), type(module).__name__
    try:
        with torch.no_grad():
            output = module(sample.clone())
    except Exception as error:  # noqa: BLE001 - whatever a user's forward function raises
        raise FormatError(
            f"{kind} does not run on the example of shape {shape} ({_reason(error)}); expected an input of the module, "
            "the batch first"
        ) from None
    if not isinstance(output, Tensor):
        raise FormatError(f"{kind} gives a {type(output).__name__}; expected one tensor of logits")
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.export(module, (sample,), strict=False)
    except Exception as error:  # noqa: BLE001 - as above
        raise FormatError(
            f"torch.export cannot read {kind} with an example of shape {shape} ({_reason(error)}); expected a forward "
            "function whose calls do not depend on the values of the image"
        ) from None
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


_LOGGERS = ("torch._subclasses.fake_tensor", "torch.fx.experimental.symbolic_shapes")


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error)[:200]}"


def _program(exported: torch.export.ExportedProgram) -> Program:
    signature = exported.graph_signature
    names = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    tensors = {**exported.constants, **exported.state_dict}
    nodes = exported.graph.nodes
    shapes = {node.name: tuple(value.shape) for node in nodes if isinstance(value := node.meta.get("val"), Tensor)}
    return Program(
        calls=tuple(_call(node) for node in nodes if node.op == "call_function"),
        constants={name: tensors[full] for name, full in names.items()},
        parameters=names,
        shapes=shapes,
        input=one("input", signature.user_inputs),
        output=one("output", signature.user_outputs),
    )


def one(what: str, names: Sequence[Any]) -> str:
    """Return the one input or output of a program."""
    if len(names) != 1 or not isinstance(names[0], str):
        raise FormatError(f"the module has {len(names)} {what}s; expected one tensor")
    return names[0]


def _call(node: fx.Node) -> Call:
    modules = node.meta.get("nn_module_stack", {}).values()
    stack = [(re.sub(r"@\d+", "", path), _kind(kind)) for path, kind in modules]
    if node.target is getitem:
        target, arguments = "getitem", {"self": _argument(node.args[0]), "index": node.args[1]}
    elif isinstance(node.target, torch._ops.OpOverload):  # noqa: SLF001 - the only name of what targets are
        schema = node.target._schema  # noqa: SLF001
        space, _, name = schema.name.partition("::")
        target = f"{'' if space == 'aten' else space + '::'}{name}.{schema.overload_name or 'default'}"
        given = dict(zip((argument.name for argument in schema.arguments), node.args, strict=False)) | node.kwargs
        arguments = {name: _argument(argument) for name, argument in given.items()}
    else:
        target, arguments = getattr(node.target, "__name__", str(node.target)), {}
    module, where = place(stack, target.partition(".")[0].removesuffix("_"))
    return Call(name=node.name, target=target, arguments=arguments, module=module, place=where)


def _kind(kind: Any) -> str:
    return kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"


def _argument(argument: Any) -> Any:
    """Return nodes as references, everything else as it is."""
    if isinstance(argument, fx.Node):
        return Ref(name=argument.name)
    return [_argument(each) for each in argument] if isinstance(argument, list | tuple) else argument


def _check_same(
    module: nn.Module,
    network: ImportedNetwork,
    exported: torch.export.ExportedProgram,
    sample: Tensor,
    statistics: tuple[Tensor, ...],
) -> None:
    """Refuse a network whose logits for a random input are not the module's."""
    drawn = torch.rand(sample.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    axes = (1, -1, *(1,) * (sample.ndim - 2))
    mean, std = (each.view(axes) if each.numel() > 1 else each for each in statistics)
    images = drawn.reshape(len(drawn), *network.specification.input_shape)
    kind = sample.dtype if sample.dtype in TOLERANCE else torch.float32
    with torch.no_grad():
        expected = module(((drawn - mean) / std).to(sample)).to("cpu", torch.float64)
        found = _ended(exported, network.model(images.to(kind)).double())
    found = found.reshape(expected.shape)
    difference = float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-30))
    if not difference <= TOLERANCE.get(sample.dtype, HALF):
        raise FormatError(
            f"the logits of {type(module).__name__} and its specification differ by {difference:.2g} of the largest; "
            "expected equal ones: a forward function that is random, or that changes a value which another layer holds "
            "a view of, is not read rightly; otherwise report this network"
        )


def _ended(exported: torch.export.ExportedProgram, logits: Tensor) -> Tensor:
    """Return what the module's last call makes of logits where it is a softmax, which the result leaves out."""
    last = next(node for node in reversed(exported.graph.nodes) if node.op == "output").args[0][0]
    if last.op != "call_function" or last.target.overloadpacket.__name__ not in ENDS:
        return logits
    ended: Tensor = last.target(logits, *last.args[1:], **last.kwargs)
    return ended
