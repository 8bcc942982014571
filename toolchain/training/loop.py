"""Epochs of a training in one process: updates, validation, checkpoints."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from spikeport.export.errors import TrainingError
from spikeport.toolchain.attacks.noise import draws_of, rows
from spikeport.toolchain.data.dataset import LEVEL, Dataset, Split, pixels
from spikeport.toolchain.data.loader import batch_count, batches
from spikeport.toolchain.evaluation import attacked, device_of, predictions
from spikeport.toolchain.nn.draws import drawing
from spikeport.toolchain.objectives.attacked import AttackedObjective
from spikeport.toolchain.objectives.objective import Loss, Objective
from spikeport.toolchain.training.activity import check_activity, rates
from spikeport.toolchain.training.constraints import sparsity
from spikeport.toolchain.training.digests import derived
from spikeport.toolchain.training.epochs import Epochs, Row, State, Trained
from spikeport.toolchain.training.health import attacking, check_gradients, check_loss
from spikeport.toolchain.training.logs import Events, write_csv
from spikeport.toolchain.training.processes import Part, add_gradients, add_up, parts, share_statistics
from spikeport.toolchain.training.schedule import learning_rate, optimizer_of
from spikeport.toolchain.training.settings import Training
from spikeport.toolchain.training.table import Table

CHUNK = 250
SAMPLE = 250
"""Training images on which the activity of layers is measured after every epoch."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training that is checked and may begin; see `trainer.fit`."""

    model: nn.Module
    data: Dataset
    objective: Objective
    settings: Training
    parameters: Sequence[nn.Parameter]
    penalty: Callable[[int], Tensor] | None
    accept: Callable[[], bool] | None
    after_update: Callable[[], None]
    epochs: Epochs
    folder: Path
    seed: int
    title: str


def train(job: Job, fabric: Fabric) -> None:
    """Train from the last checkpoint on; every epoch leaves a checkpoint, and a line in the log and on the terminal."""
    trained = _placed(job, fabric)
    state = job.epochs.latest()
    if state.epoch:
        job.epochs.load(state.epoch, trained)
        _take_scaler(fabric, state)
    if state.epoch >= job.settings.epochs:
        return
    with _outputs(job, fabric, state) as (table, events):
        for epoch in range(state.epoch + 1, job.settings.epochs + 1):
            row = _Epoch(job, fabric, trained, epoch, table).run()
            _check_activity(job, state, row)
            state = _after(job, state, row, fabric)
            if table is not None and events is not None:
                job.epochs.save(state, trained)
                write_csv(job.folder / "log.csv", state.history)
                table.row(row)
                events.add(row)
            fabric.barrier()


def _placed(job: Job, fabric: Fabric) -> Trained:
    """Move model and parameters to the device of the process and return them with an optimizer."""
    job.model.to(fabric.device)
    if job.settings.channels_last:
        job.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for parameter in job.parameters:
        parameter.data = parameter.data.to(fabric.device)
    optimizer = optimizer_of(job.parameters, job.settings)
    return Trained(model=job.model, parameters=job.parameters, optimizer=optimizer)


@contextmanager
def _outputs(job: Job, fabric: Fabric, state: State) -> Iterator[tuple[Table | None, Events | None]]:
    """Yield the table and TensorBoard's events, in the first process alone."""
    if not fabric.is_global_zero:
        yield None, None
        return
    with closing(Events(job.folder, state.epoch)) as events:
        yield Table(job.title, job.settings.epochs), events


def _after(job: Job, state: State, row: Row, fabric: Fabric) -> State:
    """Return the state after an epoch: with its row, and with it as the best where it is."""
    best, name = state.best, job.settings.best
    if job.accept is None or job.accept():
        beaten = best == 0 or name not in row or row[name] > state.history[best - 1][name]
        best = row["epoch"] if beaten else best
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    kept = {} if scaler is None else {key: float(value) for key, value in scaler.state_dict().items()}
    return State(of=state.of, epoch=row["epoch"], best=best, history=[*state.history, row], scaler=kept)


def _check_activity(job: Job, state: State, row: Row) -> None:
    """Stop at a layer that fired never, or always, over a whole epoch: before it and behind it, or in the only one."""
    if state.history or job.settings.epochs == 1:
        before = state.history[-1]["rates"] if state.history else {}
        everything = (images.to(device_of(job.model)) for images, _ in chunks(job.data.train))
        check_activity(job.model, row["rates"], before, everything, row["epoch"], job.title)


def _take_scaler(fabric: Fabric, state: State) -> None:
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    if scaler is not None and state.scaler:
        scaler.load_state_dict(state.scaler)


class _Epoch:
    """One epoch: all batches of the training split, then what is measured behind them."""

    def __init__(self, job: Job, fabric: Fabric, trained: Trained, epoch: int, table: Table | None) -> None:
        self.job, self.fabric, self.trained, self.epoch, self.table = job, fabric, trained, epoch, table
        self.objective = job.objective.in_epoch(epoch, job.settings.epochs)
        assert trained.optimizer is not None
        self.optimizer = cast("torch.optim.Optimizer", fabric.setup_optimizers(trained.optimizer))
        self.plain_optimizer = trained.optimizer
        self.extras = job.data.extras(job.settings.batch_size) if job.settings.extra else 0
        self.steps = batch_count(len(job.data.train.images), job.settings.batch_size, extras=self.extras)
        self.sums: dict[str, float] = defaultdict(float)
        self.images, self.rate = 0, 0.0

    def run(self) -> Row:
        """Train, measure, and return the row of the history."""
        started, job = time.monotonic(), self.job
        order = torch.Generator().manual_seed(derived(job.seed, "order", self.epoch))
        drawn = batches(
            job.data.train,
            job.settings.batch_size,
            generator=order,
            augment=job.data.augment,
            device=self.fabric.device,
            extra=job.data.extra,
            extras=self.extras,
        )
        for step, (images, labels) in enumerate(drawn):
            self._update(images, labels, step)
            if self.table is not None:
                self.table.step(step + 1, self.steps, self.epoch)
        return {**self._means(), **self._measured(), "seconds": round(time.monotonic() - started, 3)}

    def _update(self, images: Tensor, labels: Tensor, step: int) -> None:
        """Change the parameters once, by all images of a batch."""
        job, place = self.job, f"{self.job.title}: epoch {self.epoch}, step {step + 1}"
        self.rate = learning_rate(job.settings, self.epoch - 1, step, self.steps)
        for group in self.plain_optimizer.param_groups:
            group["lr"] = self.rate
        self.plain_optimizer.zero_grad()
        sums: dict[str, Tensor] = {name: torch.zeros(()) for name in self.sums}
        for part in parts(len(labels), job.settings, self.fabric.global_rank):
            with attacking(job.model, self._moved(images), place):
                loss = self._computed(images, labels, part, step)
            self._add(sums, loss, labels[part.first : part.last].cpu(), part)
        names = sorted(sums)
        summed = torch.stack([sums[name].detach().cpu().double() for name in names])
        add_up(self.fabric, [summed])
        found = dict(zip(names, summed.tolist(), strict=True))
        check_loss(found["loss"], job.model, self._moved(images), place)
        self._step(place)
        self.images += len(labels)
        for name, value in found.items():
            self.sums[name] += value * len(labels)

    def _computed(self, images: Tensor, labels: Tensor, part: Part, step: int) -> Loss:
        """Compute the loss of a part of a batch and its gradient, weighted by its share."""
        job = self.job
        generator = rows(derived(job.seed, "attack", self.epoch, step), part.first, len(labels))
        torch.manual_seed(derived(job.seed, "model", self.epoch, step, part.first))
        job.model.train()
        chosen = slice(part.first, part.last)
        draws = rows(derived(job.seed, "encoder", self.epoch, step), part.first, len(labels))
        with self.fabric.autocast(), drawing(job.model, lambda: draws_of(draws, part.last - part.first)):
            loss = self.objective(
                job.model, self._moved(images[chosen]), labels[chosen].to(self.fabric.device), generator=generator
            )
        if job.penalty is not None:
            penalty = job.penalty(self.epoch - 1)
            loss = replace(loss, total=loss.total + penalty, parts={**loss.parts, "penalty": penalty})
        self.fabric.backward(loss.total * part.share)
        return loss

    def _moved(self, images: Tensor) -> Tensor:
        """Return images on the device, in the layout of the settings."""
        moved = images.to(self.fabric.device)
        wide = self.job.settings.channels_last and moved.ndim == 4
        return moved.contiguous(memory_format=torch.channels_last) if wide else moved

    @staticmethod
    def _add(sums: dict[str, Tensor], loss: Loss, labels: Tensor, part: Part) -> None:
        """Add the numbers of a part up: means over the batch, by name."""
        found = {"loss": loss.total, **{f"parts/{name}": value for name, value in loss.parts.items()}}
        if loss.logits is not None:
            found["train"] = (loss.logits.detach().argmax(1).cpu() == labels).double().mean()
        for name, value in found.items():
            sums[name] = sums.get(name, torch.zeros(())) + value.detach().cpu().double() * part.share

    def _step(self, place: str) -> None:
        """Update the parameters by the gradients of all processes, and bring the network back to its constraints."""
        job, precision = self.job, self.fabric.strategy.precision
        add_gradients(self.fabric, job.parameters)
        scaler = getattr(precision, "scaler", None)
        if scaler is not None:
            scaler.unscale_(self.plain_optimizer)
        norm = torch.nn.utils.get_total_norm([each.grad for each in job.parameters if each.grad is not None])
        if scaler is None or scaler.get_scale() < 1:  # with a scaler, a step that overflows is left out and scaled down
            check_gradients(job.model, job.parameters, norm, place)
        if job.settings.clip is not None:
            torch.nn.utils.clip_grads_with_norm_(job.parameters, job.settings.clip, norm)
        self.optimizer.step()
        share_statistics(self.fabric, job.model)
        job.after_update()

    def _means(self) -> Row:
        """Return what was added up over the epoch, per image."""
        means = {name: value / self.images for name, value in self.sums.items()}
        row: Row = {"epoch": self.epoch, "learning_rate": self.rate, "loss": means["loss"]}
        row["parts"] = {name[len("parts/") :]: value for name, value in means.items() if name.startswith("parts/")}
        return row | ({"train": means["train"]} if "train" in means else {})

    def _measured(self) -> Row:
        """Return accuracies on the validation split, sparsity and activity after the epoch."""
        job, row = self.job, cast("Row", {})
        if len(job.data.validation.images):
            row["clean"] = self._accuracy()
            attacked_one = job.objective.base()
            if isinstance(attacked_one, AttackedObjective) and job.settings.best == "robust":
                row["robust"] = self._robust(attacked_one)
        row["sparsity"] = sparsity(job.model)
        row["rates"] = rates(job.model, self._moved(pixels(job.data.train.images[:SAMPLE])))
        return row

    def _accuracy(self) -> float:
        right = sum(
            int((predictions(self.job.model, self._moved(images)) == labels).sum())
            for images, labels in chunks(self.job.data.validation)
        )
        return right / len(self.job.data.validation.images)

    def _robust(self, objective: AttackedObjective) -> float:
        """Return the accuracy under the objective's attack by cross-entropy, with the same start in every epoch."""
        generator = torch.Generator().manual_seed(derived(self.job.seed, "validation"))
        wrong = 0
        for images, labels in chunks(self.job.data.validation):
            with attacking(self.job.model, self._moved(images), f"{self.job.title}: epoch {self.epoch}, validation"):
                found = attacked(
                    self.job.model, self._moved(images), labels, attack=objective.attack,
                    epsilon=objective.epsilon * LEVEL, generator=generator,
                )  # fmt: skip
            wrong += int(found.success.sum())
        return 1 - wrong / len(self.job.data.validation.images)


def chunks(split: Split) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the images of a split in order, as pixels, with their labels."""
    for first in range(0, len(split.images), CHUNK):
        chosen = slice(first, first + CHUNK)
        yield pixels(split.images[chosen]), torch.from_numpy(split.labels[chosen])


def best_of(state: State, title: str) -> int:
    """Return the best epoch; `TrainingError` where none could become it."""
    if state.epoch and not state.best:
        raise TrainingError(
            f"{title}: no epoch of {state.epoch} met the target that it must; train for more epochs, or with a larger "
            "penalty (gamma of the pruner)"
        )
    return state.best
