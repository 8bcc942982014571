"""The state of a translation of ATen calls: operations so far, the names of values, constants."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from spikeport.export.errors import FormatError
from spikeport.toolchain.importing.operations import INPUT, Array, Kind, Operation, Pair, Settings
from spikeport.toolchain.importing.program import Call, Program, Ref


class Translation:
    """Operations so far; ``names`` are the operations' names of the program's values."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.constants: dict[str, Tensor] = dict(program.constants)
        self.operations: list[Operation] = []
        self.names = {program.input: INPUT}
        self._taken = {INPUT}

    def value(self, call: Call, name: str = "") -> Ref:
        """Return an argument that is a value, the first one without ``name``."""
        names = (name,) if name else ("self", "input", "tensor")
        found = next((call.arguments[each] for each in names if each in call.arguments), None)
        if not isinstance(found, Ref) or found.name not in self.names:
            raise FormatError(f"{call.place}: {call.operation} reads no value of the network; expected one")
        return found

    def shape(self, ref: Ref) -> tuple[int, ...]:
        """Return the shape of a value, batch included."""
        return self.program.shapes[ref.name]

    def constant(self, call: Call, name: str) -> Array | None:
        """Return an argument that is a constant as an array, None where it is missing."""
        argument = call.arguments.get(name)
        if argument is None:
            return None
        if not isinstance(argument, Ref) or argument.name not in self.constants:
            raise FormatError(f"{call.place}: its {name} depends on the image; expected a parameter")
        return array(self.constants[argument.name])

    def parameters(self, call: Call, name: str = "weight") -> str:
        """Return where a call's weights are kept in the module."""
        argument = call.arguments.get(name)
        full = self.program.parameters.get(argument.name, "") if isinstance(argument, Ref) else ""
        return full.rpartition(".")[0] or call.module

    def add(
        self,
        call: Call,
        kind: Kind,
        inputs: Sequence[Ref],
        arrays: Mapping[str, Array | None] | None = None,
        settings: Settings | None = None,
        parameters: str = "",
    ) -> None:
        """Add an operation of a call, whose result is the call's; a second one may read it as `Ref` of the call."""
        self.operations.append(
            Operation(
                name=self._free(call.name),
                kind=kind,
                inputs=tuple(self.names[ref.name] for ref in inputs),
                place=call.place,
                arrays={name: value for name, value in (arrays or {}).items() if value is not None},
                settings=settings or Settings(),
                parameters=parameters,
            )
        )
        self.names[call.name] = self.operations[-1].name

    def _free(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def alias(self, call: Call, ref: Ref) -> None:
        """Let a call's result be another value."""
        self.names[call.name] = self.names[ref.name]

    def changed(self, ref: Ref, call: Call) -> None:
        """Let a value be a call's result from now on, which changed it in place."""
        self.names[ref.name] = self.names[call.name]

    def refused(self, call: Call, found: str, expected: str) -> FormatError:
        """Return the error for a call."""
        return FormatError(f"{call.place}: {found}; expected {expected}")


def array(tensor: Tensor) -> Array:
    """Return a tensor as an array of float32 or float64; shorter floats become float32."""
    tensor = tensor.detach().cpu()
    kept = tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
    return np.ascontiguousarray(kept.numpy())


def pair(call: Call, name: str, default: int | Pair) -> Pair:
    """Return a setting of a 1-D or 2-D layer as (vertical, horizontal); those of 1-D layers are horizontal."""
    value = call.arguments.get(name)
    if value is None or value == []:
        value = default
    if isinstance(value, tuple):
        return value
    values = [int(each) for each in value] if isinstance(value, list) else [int(value)]
    if len(values) > 1:
        return (values[0], values[1])
    if "1d" not in call.operation:
        return (values[0], values[0])
    return (0 if name == "padding" else 1, values[0])
