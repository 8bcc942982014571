"""Weights that a program computes from its parameters, such as weight norm: computed once."""

from typing import Any

import torch
from torch import Tensor

from spikeport.export.errors import FormatError, one_line
from spikeport.toolchain.importing.program import Call, Ref

LARGEST = 2**28
"""Values of a tensor that is computed from parameters."""
PURE = frozenset(
    (
        *("abs", "add", "alias", "amax", "amin", "clamp", "clamp_min", "clone", "contiguous", "detach", "div", "dot"),
        *("exp", "flatten", "linalg_vector_norm", "lift_fresh_copy", "log", "log1p", "matmul", "maximum", "mean"),
        *("minimum", "mm", "mul", "mv", "neg", "norm", "permute", "pow", "reciprocal", "relu", "reshape", "rsqrt"),
        *("rsub", "select", "sigmoid", "sign", "softplus", "sqrt", "squeeze", "std", "sub", "sum", "t", "tanh"),
        *("to", "transpose", "unsqueeze", "var", "vdot", "view", "where", "_weight_norm", "numpy_T", "var_mean"),
    )
)
"""ATen operations that only compute; a file cannot name others."""


def computed(call: Call, constants: dict[str, Tensor]) -> Tensor:
    """Return what a call gives for constants."""
    if call.operation not in PURE:
        raise FormatError(f"{call.place}: computes weights by {call.target}; expected weights that are parameters")
    packet, _, overload = call.target.partition(".")
    function = getattr(getattr(torch.ops.aten, packet.removesuffix("_")), overload or "default")
    arguments = {name: _value(argument, constants) for name, argument in call.arguments.items()}
    try:
        result = function(**arguments)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise FormatError(f"{call.place}: weights by {call.target} cannot be computed ({one_line(error)})") from None
    if not isinstance(result, Tensor) or result.numel() > LARGEST:
        raise FormatError(f"{call.place}: computes weights by {call.target}; expected weights that are parameters")
    return result


def _value(argument: Any, constants: dict[str, Tensor]) -> Any:
    if isinstance(argument, Ref):
        return constants[argument.name]
    return [_value(each, constants) for each in argument] if isinstance(argument, list) else argument
