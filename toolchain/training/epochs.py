"""Checkpoints of a training, one folder an epoch: ``epochs/0007/state.safetensors`` and ``state.json``.

A folder is whole or absent. The last two are kept, and the best epochs as of both. Tensors are those of the model, of
parameters that are not the model's, and of the optimizer; the JSON holds the history, the best epoch, and what was
trained.
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
from spikeport.export.progress import announce
from spikeport.toolchain.training.digests import of_bytes

FORMAT = "spikeport epochs 1"
TENSORS, VALUES = "state.safetensors", "state.json"
KEPT = 2
Row = dict[str, Any]


class DamagedError(TrainingError):
    """A file of an epoch is not what was written; ``found`` is the sentence without what to do."""

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(f"{found}; {advice}")
        self.found = found


class State(msgspec.Struct, kw_only=True):
    """What an epoch's JSON holds; ``best`` is 0 while no epoch could become the best.

    ``digest`` is that of the tensors' file beside it.
    """

    format: str = FORMAT
    of: dict[str, str]
    epoch: int = 0
    best: int = 0
    digest: str = ""
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
        self._bests: dict[int, int] = {}

    def latest(self) -> State:
        """Return the state after the last whole epoch, else of epoch 0; `TrainingError` for another training's.

        Damaged epochs behind a whole one are said and removed. Where none is whole, or the best one is damaged, that is
        a `TrainingError`.
        """
        damaged: list[DamagedError] = []
        for number in reversed(self._numbers()):
            try:
                state = self._whole(number)
            except DamagedError as error:
                damaged.append(error)
                continue
            self._check_same(state)
            if state.best not in {0, number}:
                self._whole(state.best)
            self._remove_behind(number, damaged)
            self._bests = {number: state.best}
            return state
        if damaged:
            raise damaged[0]
        return State(of=self.of)

    def _whole(self, epoch: int) -> State:
        """Return the state of an epoch whose two files are whole."""
        state = self._state(epoch)
        self._tensors(epoch, state)
        return state

    def _check_same(self, state: State) -> None:
        changed = [name for name, digest in self.of.items() if state.of.get(name) != digest]
        if changed:
            raise TrainingError(
                f"{self.folder}: holds checkpoints of a training with another {', another '.join(changed)}; remove the "
                "folder to train anew, or go back to what they are of"
            )

    def _remove_behind(self, epoch: int, damaged: Sequence[DamagedError]) -> None:
        for error in damaged:
            announce(f"{error.found}; the training goes on from epoch {epoch}, the newest that is whole")
        for number in self._numbers():
            if number > epoch:
                shutil.rmtree(self._place(number), ignore_errors=True)

    def load(self, epoch: int, trained: Trained) -> None:
        """Give the tensors after ``epoch`` to what is trained."""
        tensors = self._tensors(epoch, self._state(epoch))
        try:
            trained.take(tensors)
        except (KeyError, ValueError, RuntimeError) as error:
            raise self._damaged(self._place(epoch) / TENSORS, one_line(error)) from None

    def _tensors(self, epoch: int, state: State) -> dict[str, Tensor]:
        path = self._place(epoch) / TENSORS
        data = self._read(path)
        if state.digest not in {"", of_bytes(data)}:
            raise self._damaged(path, "it is not what was written")
        try:
            return load(data)
        except SafetensorError as error:
            raise self._damaged(path, one_line(error)) from None

    def _read(self, path: Path) -> bytes:
        try:
            return read_bytes(path, TrainingError, most=LARGEST_FILE, expected="a checkpoint of this training")
        except TrainingError as error:
            raise self._damaged(path, str(error).removeprefix(f"{path}: ")) from None

    def _damaged(self, path: Path, found: str) -> DamagedError:
        return DamagedError(f"{path}: damaged ({found})", f"remove {self.folder} to train anew")

    def save(self, state: State, trained: Trained) -> None:
        """Write an epoch, whole or not at all, then remove those that are neither among the last two nor their best."""
        with atomic(self._place(state.epoch), folder=True) as draft:
            draft.mkdir()
            (draft / TENSORS).write_bytes(data := save(trained.tensors()))
            state.digest = of_bytes(data)
            (draft / VALUES).write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1))
        self._bests = {state.epoch - 1: self._bests.get(state.epoch - 1, 0), state.epoch: state.best}
        for number in self._numbers()[:-KEPT]:
            if number not in self._bests.values():
                shutil.rmtree(self._place(number), ignore_errors=True)

    def _place(self, epoch: int) -> Path:
        return self.folder / f"{epoch:04d}"

    def _numbers(self) -> list[int]:
        """Return the epochs that are there, in order."""
        places = self.folder.glob("[0-9]*") if self.folder.is_dir() else ()
        return sorted(int(each.name) for each in places if each.name.isdigit() and each.is_dir())

    def _state(self, epoch: int) -> State:
        path = self._place(epoch) / VALUES
        try:
            state = msgspec.json.decode(self._read(path), type=State)
        except msgspec.MsgspecError as error:
            raise self._damaged(path, one_line(error)) from None
        if state.format != FORMAT or state.epoch != epoch:
            raise TrainingError(
                f"{path}: is of format {state.format!r}, epoch {state.epoch}; expected {FORMAT!r}, epoch {epoch}; "
                f"remove {self.folder} to train anew"
            )
        return state
