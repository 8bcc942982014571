"""Values of a pickle, read without its code: numbers, texts, lists, dicts and arrays of bytes; all else is refused.

`pickletools` names the instructions; a table here says what those do that dictionaries of arrays need. No name of a
pickle is ever imported: three functions of numpy and codecs are known by their names, and imitated.
"""

import math
import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikeport.export.errors import DataError, one_line
from spikeport.export.network import Array

MOST_INSTRUCTIONS = 2**21
_MARK = object()


@dataclass(frozen=True)
class _Name:
    """A global that a pickle names; it is not imported."""

    text: str


@dataclass
class _Bytes8:
    """A numpy type; only unsigned bytes are known."""


@dataclass
class _Unfilled:
    """An array before its state is given."""

    array: Array | None = None


def read(data: bytes) -> dict[str, Any]:
    """Return the dictionary of a pickle of at most protocol 4; `DataError` names the instruction that is refused."""
    try:
        value = _Machine().run(data)
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001 - pickletools and wrong stacks raise whatever they like
        raise DataError(f"a damaged pickle ({one_line(error) or type(error).__name__})") from None
    if not isinstance(value, dict):
        raise DataError(f"a pickle of {type(value).__name__}; expected a dictionary")
    return {_text(key): each.array if isinstance(each, _Unfilled) else each for key, each in value.items()}


class _Machine:
    """The stack and the memo of a pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(data)):
            name = instruction.name
            if name == "STOP":
                return self.stack[-1]
            if count > MOST_INSTRUCTIONS:
                raise DataError(f"a pickle of more than {MOST_INSTRUCTIONS:,} instructions")
            if name in _CONSTANTS:
                self.stack.append(argument)
            elif name in _ACTIONS:
                _ACTIONS[name](self, argument)
            else:
                raise DataError(f"the pickle holds the instruction {name}; only numbers, texts and arrays are read")
        raise DataError("a pickle without its end; it is cut off")

    def marked(self) -> list[Any]:
        """Take what lies above the last mark, and the mark."""
        place = len(self.stack) - 1 - next(i for i, each in enumerate(reversed(self.stack)) if each is _MARK)
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    def taken(self, count: int) -> list[Any]:
        """Take the last ``count`` values."""
        if len(self.stack) < count:
            raise DataError("the pickle takes values that are not there; it is damaged")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def put(self, place: int | None) -> None:
        self.memo[len(self.memo) if place is None else place] = self.stack[-1]

    def named(self, text: str) -> None:
        """Push a name of `_FUNCTIONS`, by which a pickle calls a function."""
        module, name = text.split(" ", 1)
        known = f"{module.replace('numpy._core', 'numpy.core')} {name}"
        if known not in (*_FUNCTIONS, "numpy ndarray"):
            raise DataError(f"the pickle asks for {module}.{name}, which is never loaded; expected numbers and arrays")
        self.stack.append(_Name(known))

    def call(self) -> None:
        """Replace a name and its arguments by what the function gives."""
        function, arguments = self.taken(2)
        if not isinstance(function, _Name) or function.text not in _FUNCTIONS:
            raise DataError("the pickle calls what is no function; expected numbers and arrays")
        self.stack.append(_FUNCTIONS[function.text](*arguments))

    def build(self) -> None:
        """Give an array or a type its state."""
        state = self.stack.pop()
        if isinstance(self.stack[-1], _Unfilled):
            self.stack[-1].array = _filled(*state)
        elif not isinstance(self.stack[-1], _Bytes8):
            raise DataError("the pickle gives a state to what is no array")

    def extended(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise DataError("the pickle appends to what is no list")
        self.stack[-1].extend(values)

    def updated(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise DataError("the pickle sets a key of what is no dictionary")
        self.stack[-1].update(_pairs(values))


def _pairs(values: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(values[::2], values[1::2], strict=True)


def _text(value: Any) -> str:
    if not isinstance(value, str | bytes):
        raise DataError(f"the pickle's dictionary has a key of type {type(value).__name__}; expected text")
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _reconstruct(kind: Any, shape: Any, typecode: Any) -> _Unfilled:
    if kind != _Name("numpy ndarray") or shape != (0,) or typecode not in ("b", b"b"):
        raise DataError("the pickle makes an object of numpy that is no array")
    return _Unfilled()


def _dtype(text: Any, *flags: Any) -> _Bytes8:
    if text not in ("u1", b"u1") or len(flags) != 2:
        raise DataError(f"the pickle holds an array of type {text!r:.30}; expected unsigned bytes")
    return _Bytes8()


def _encoded(text: Any, coding: Any) -> bytes:
    """Return bytes that Python 3 writes as text into pickles of protocol 2."""
    if not isinstance(text, str) or coding not in ("latin1", "latin-1"):
        raise DataError("the pickle encodes what is no text of latin-1")
    return text.encode("latin-1")


def _filled(version: Any, shape: Any, dtype: Any, fortran: Any, data: Any) -> Array:
    """Return an array of bytes whose shape and data fit together."""
    if isinstance(data, str):
        data = data.encode("latin-1")
    whole = isinstance(shape, tuple) and all(type(side) is int and side >= 0 for side in shape)
    if version != 1 or not whole or not isinstance(dtype, _Bytes8) or not isinstance(data, bytes):
        raise DataError("the pickle holds an array in a form that numpy does not write")
    if math.prod(shape) != len(data):
        raise DataError(f"the pickle's array has shape {shape} and {len(data):,} bytes: it is damaged")
    return np.frombuffer(data, np.uint8).reshape(shape, order="F" if fortran else "C")


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "numpy.core.multiarray _reconstruct": _reconstruct,
    "numpy dtype": _dtype,
    "_codecs encode": _encoded,
}
_CONSTANTS = {
    *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
"""Instructions that push their argument."""
_ACTIONS: dict[str, Callable[[_Machine, Any], object]] = {
    "PROTO": lambda _, version: None if version <= 4 else _refuse_protocol(version),
    "FRAME": lambda *_: None,
    "MARK": lambda machine, _: machine.stack.append(_MARK),
    "NONE": lambda machine, _: machine.stack.append(None),
    "NEWTRUE": lambda machine, _: machine.stack.append(True),
    "NEWFALSE": lambda machine, _: machine.stack.append(False),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
    "LIST": lambda machine, _: machine.stack.append(machine.marked()),
    "DICT": lambda machine, _: machine.stack.append(dict(_pairs(machine.marked()))),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.marked())),
    "TUPLE1": lambda machine, _: machine.stack.append(tuple(machine.taken(1))),
    "TUPLE2": lambda machine, _: machine.stack.append(tuple(machine.taken(2))),
    "TUPLE3": lambda machine, _: machine.stack.append(tuple(machine.taken(3))),
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.put,
    "GET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "APPEND": lambda machine, _: machine.extended(machine.taken(1)),
    "APPENDS": lambda machine, _: machine.extended(machine.marked()),
    "SETITEM": lambda machine, _: machine.updated(machine.taken(2)),
    "SETITEMS": lambda machine, _: machine.updated(machine.marked()),
    "GLOBAL": _Machine.named,
    "STACK_GLOBAL": lambda machine, _: machine.named(" ".join(map(str, machine.taken(2)))),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
}


def _refuse_protocol(version: int) -> None:
    raise DataError(f"a pickle of protocol {version}; expected at most 4")
