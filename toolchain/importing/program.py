"""A PyTorch program as `torch.export` writes it: calls of ATen operations in order, and its constants."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Ref:
    """A value by its name, as an argument."""

    name: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """``target`` is 'conv2d.default'; ``arguments`` are those that were given, by the names of the schema.

    ``module`` is the path of the module that it stands in, and ``place`` names it for the user.
    """

    name: str
    target: str
    arguments: Mapping[str, Any]
    module: str
    place: str

    @property
    def operation(self) -> str:
        """The operation without its overload, in-place or not."""
        return self.target.partition(".")[0].removesuffix("_")

    @property
    def in_place(self) -> bool:
        """Whether it changes its first argument."""
        return self.target.partition(".")[0].endswith("_")


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """``constants`` are parameters, buffers and other tensors; ``parameters`` their names in the module.

    ``shapes`` are of values with the batch as their first axis, its size included.
    """

    calls: tuple[Call, ...]
    constants: Mapping[str, Tensor]
    parameters: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    input: str
    output: str


def refs(argument: Any) -> Iterator[Ref]:
    """Return the values in an argument, however deep in lists."""
    if isinstance(argument, Ref):
        yield argument
    elif isinstance(argument, list | tuple):
        for each in argument:
            yield from refs(each)


def entered(program: Program) -> tuple[Program, str]:
    """Return a program whose input is what its first reshape makes of it, and a note; without one the program."""
    first = [
        call for call in program.calls if any(ref.name == program.input for ref in refs([*call.arguments.values()]))
    ]
    shape = program.shapes.get(first[0].name, ()) if len(first) == 1 else ()
    if not first or first[0].operation not in ("view", "reshape", "unsqueeze", "unflatten") or len(shape) < 3:
        return program, ""
    calls = tuple(call for call in program.calls if call is not first[0])
    note = f"{first[0].place} makes {shape[1:]} of every input: the images have that shape from the start"
    return replace(program, calls=calls, input=first[0].name), note


def place(stack: list[tuple[str, str]], operation: str) -> tuple[str, str]:
    """Return a module's path, and its place for messages: 'features.3 (torch.nn.Conv2d)', 'forward (Net: add)'."""
    path, kind = stack[-1] if stack else ("", "")
    kind = _short(kind)
    if kind.startswith("torch.nn."):
        return path, f"{path or 'forward'} ({kind})"
    return path, f"{path or 'forward'} ({kind + ': ' if kind else ''}{operation})"


def _short(kind: str) -> str:
    """Return 'torch.nn.ReLU' for torch's own layers, and the class's name for others."""
    first, _, name = kind.rpartition(".")
    return f"torch.nn.{name}" if first.startswith("torch.nn.modules.") and "container" not in first else name
