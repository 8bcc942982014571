"""Checkpoints of a training, one folder an epoch: ``epochs/0007/state.safetensors`` and ``state.json``.

A folder is whole or absent. The last two and the best epoch are kept. Tensors are those of the model, of parameters
that are not the model's, and of the optimizer; the JSON holds the history, the best epoch, and what was trained.
Random numbers have no state: each is drawn from a seed of its place (`digests.derived`).
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from spikeport.export.errors import TrainingError, one_line
from spikeport.export.files import atomic
from spikeport.export.inputs import LARGEST_FILE, read_bytes

FORMAT = "spikeport epochs 1"
TENSORS, VALUES = "state.safetensors", "state.json"
KEPT = 2
Row = dict[str, Any]


class State(msgspec.Struct, kw_only=True):
    """What an epoch's JSON holds; ``best`` is 0 while no epoch could become the best."""

    format: str = FORMAT
    of: dict[str, str]
    epoch: int = 0
    best: int = 0
    history: list[Row] = msgspec.field(default_factory=list)
    scaler: dict[str, float] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training changes: a model, learned ``parameters``, and an optimizer of them."""

    model: nn.Module
    parameters: Sequence[nn.Parameter]
    optimizer: torch.optim.Optimizer | None = None
    extra: dict[str, nn.Parameter] = field(init=False)

    def __post_init__(self) -> None:
        own = {id(parameter) for parameter in self.model.parameters()}
        others = {str(i): each for i, each in enumerate(self.parameters) if id(each) not in own}
        object.__setattr__(self, "extra", others)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"extra.{name}": parameter.detach() for name, parameter in self.extra.items()}
        for index, values in self._slots().items():
            tensors |= {f"optimizer.{index}.{k}": v for k, v in values.items() if isinstance(v, Tensor)}
        return {name: tensor.contiguous().clone() for name, tensor in tensors.items()}

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Set everything to what `tensors` returned."""
        self.model.load_state_dict(_under("model.", tensors))
        with torch.no_grad():
            for name, parameter in self.extra.items():
                parameter.copy_(tensors[f"extra.{name}"])
        if self.optimizer is not None:
            self._take_slots(_under("optimizer.", tensors))

    def _slots(self) -> dict[int, dict[str, Any]]:
        return {} if self.optimizer is None else self.optimizer.state_dict()["state"]

    def _take_slots(self, tensors: Mapping[str, Tensor]) -> None:
        assert self.optimizer is not None
        whole = self.optimizer.state_dict()
        whole["state"] = {}
        for name, tensor in tensors.items():
            index, _, slot = name.partition(".")
            whole["state"].setdefault(int(index), {})[slot] = tensor
        self.optimizer.load_state_dict(whole)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


class Epochs:
    """The checkpoints in ``folder`` of the training that ``of`` describes, by what it is made of."""

    def __init__(self, folder: Path, of: dict[str, str]) -> None:
        self.folder, self.of = folder, of

    def latest(self) -> State:
        """Return the state after the last whole epoch, else of epoch 0; `TrainingError` for another training's."""
        found = self._numbers()
        if not found:
            return State(of=self.of)
        state = self._state(found[-1])
        changed = [name for name, digest in self.of.items() if state.of.get(name) != digest]
        if changed:
            raise TrainingError(
                f"{self.folder}: holds checkpoints of a training with another {', another '.join(changed)}; remove the "
                "folder to train anew, or go back to what they are of"
            )
        return state

    def load(self, epoch: int, trained: Trained) -> None:
        """Give the tensors after ``epoch`` to what is trained."""
        path = self._place(epoch) / TENSORS
        data = read_bytes(path, TrainingError, most=LARGEST_FILE, expected="a checkpoint of this training")
        try:
            trained.take(load(data))
        except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise TrainingError(f"{path}: damaged ({one_line(error)}); remove {self.folder} to train anew") from None

    def save(self, state: State, trained: Trained) -> None:
        """Write an epoch, whole or not at all, then remove those that are neither best nor among the last two."""
        with atomic(self._place(state.epoch), folder=True) as draft:
            draft.mkdir()
            (draft / TENSORS).write_bytes(save(trained.tensors()))
            (draft / VALUES).write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1))
        for number in self._numbers()[:-KEPT]:
            if number != state.best:
                shutil.rmtree(self._place(number), ignore_errors=True)

    def _place(self, epoch: int) -> Path:
        return self.folder / f"{epoch:04d}"

    def _numbers(self) -> list[int]:
        """Return the epochs that are there, in order; what a killed run left half removed does not count."""
        places = self.folder.glob("[0-9]*") if self.folder.is_dir() else ()
        return sorted(int(each.name) for each in places if each.name.isdigit() and (each / VALUES).is_file())

    def _state(self, epoch: int) -> State:
        path = self._place(epoch) / VALUES
        data = read_bytes(path, TrainingError, most=LARGEST_FILE, expected="a checkpoint of this training")
        try:
            state = msgspec.json.decode(data, type=State)
        except msgspec.MsgspecError as error:
            raise TrainingError(f"{path}: damaged ({error}); remove {self.folder} to train anew") from None
        if state.format != FORMAT or state.epoch != epoch:
            raise TrainingError(
                f"{path}: is of format {state.format!r}, epoch {state.epoch}; expected {FORMAT!r}, epoch {epoch}; "
                f"remove {self.folder} to train anew"
            )
        return state
