"""The base of all results: frozen, and JSON-ready by ``to_dict``."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar

import numpy as np

from spikeport.export.shown import Shown


@dataclass(frozen=True, kw_only=True)
class Result(Shown):
    """A result with fields of stable names.

    ``derived`` are properties that `to_dict` writes beside the fields; ``optional`` are fields that it leaves out where
    they are None.
    """

    derived: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the result as numbers, strings, None, lists and dicts of these."""
        names = (*(field.name for field in fields(self)), *self.derived)
        values = {name: getattr(self, name) for name in names}
        return {name: plain(v) for name, v in values.items() if v is not None or name not in self.optional}


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: results and dataclasses as dicts, arrays and tuples as lists."""
    if isinstance(value, Result):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        names = (*(field.name for field in fields(value)), *getattr(value, "derived", ()))
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
