"""Networks of other stages by name, for what a stage uses beside the model that comes in: a teacher, a surrogate."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from torch import nn

from spikeport.export.errors import TrainingError
from spikeport.toolchain import checkpoint

_MODELS: ContextVar[dict[str, nn.Module | Path] | None] = ContextVar("networks by name", default=None)


@contextmanager
def naming(models: Mapping[str, nn.Module | Path]) -> Iterator[None]:
    """Let ``models``, networks or files of checkpoints, be known by their names inside the block."""
    token = _MODELS.set(dict(models))
    try:
        yield
    finally:
        _MODELS.reset(token)


def is_named(name: str) -> bool:
    """Return whether a network has that name here."""
    return name in (_MODELS.get() or {})


def named(name: str) -> nn.Module:
    """Return a network in evaluation mode by its name; a file is read once. `TrainingError` where none has the name."""
    models = _MODELS.get() or {}
    if name not in models:
        there = ", ".join(models) or "none"
        raise TrainingError(
            f"no network is called {name!r} here; there are {there}: name an earlier stage of the recipe"
        )
    found = models[name]
    if isinstance(found, Path):
        found = models[name] = checkpoint.read(found)
    return found.eval()
