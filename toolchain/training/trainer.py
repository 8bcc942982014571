"""The one function that trains: a network, data, an objective and settings in, the best epoch's weights out."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from spikeport.export.files import locked
from spikeport.export.progress import announce
from spikeport.toolchain.data.dataset import Dataset
from spikeport.toolchain.evaluation import device_of
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.objectives.objective import Objective
from spikeport.toolchain.training import digests
from spikeport.toolchain.training.checks import check, check_device
from spikeport.toolchain.training.constraints import hold
from spikeport.toolchain.training.devices import described, resolved
from spikeport.toolchain.training.epochs import Epochs, Row, Trained
from spikeport.toolchain.training.loop import Job, best_of, train
from spikeport.toolchain.training.processes import launched
from spikeport.toolchain.training.settings import Training


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """``best_epoch`` (from 1; 0 where no epoch was asked for), a row per epoch, ``seconds`` of this call, ``device``.

    A row holds ``epoch``, ``learning_rate``, ``loss``, its ``parts``, ``train`` (accuracy of the training batches where
    the objective sees clean ones), ``clean`` and ``robust`` of the validation split, ``sparsity``, ``rates`` of the
    populations, and ``seconds``.
    """

    best_epoch: int
    history: tuple[Row, ...]
    seconds: float
    device: str


def fit(
    model: nn.Module,
    data: Dataset,
    objective: Objective,
    settings: Training,
    *,
    folder: Path,
    seed: int,
    device: str = "cpu",
    parameters: Sequence[nn.Parameter] | None = None,
    penalty: Callable[[int], Tensor] | None = None,
    accept: Callable[[], bool] | None = None,
    after_update: Callable[[], None] | None = None,
    title: str = "train",
) -> Fitted:
    """Train ``model`` on ``data.train`` and leave it with the weights of the best epoch.

    The best epoch has the highest accuracy on ``data.validation`` (``settings.best``) of those after which ``accept()``
    holds; without a validation split it is the last. ``parameters`` are trained, all of the model's without; they may
    lie outside of the model. ``penalty(epoch)`` is added to the objective. ``after_update()`` runs behind every update;
    a network of ours keeps masks and floors of thresholds in any case. ``device``: 'auto', 'cpu', 'cuda' or 'mps'.

    ``folder`` gets ``epochs/`` (checkpoints), ``log.csv`` and events for TensorBoard. A training that ended before goes
    on from its last checkpoint; on the CPU, with the same number of threads, to the same bits as one without a break.
    `TrainingError` for input that does not fit, and where the training diverges, with layer, epoch and step.
    """
    started, device = time.monotonic(), resolved(device)
    learned = [each for each in model.parameters() if each.requires_grad] if parameters is None else list(parameters)
    check(model, data, objective, settings, learned)
    check_device(device, settings)
    trained = Trained(model=model, parameters=learned)
    epochs = Epochs(folder / "epochs", _identity(trained, data, objective, settings, seed))
    job = Job(
        model=model, data=data, objective=objective, settings=settings, parameters=learned, penalty=penalty,
        accept=accept, after_update=partial(_held, model, after_update), epochs=epochs, folder=folder, seed=seed,
        title=title,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    with locked(epochs.folder), _kept_state(model, learned):
        _announce(job, device)
        launched(partial(train, job), settings, device)
        state = epochs.latest()
        best = best_of(state, title)
        if best:
            epochs.load(best, trained)
    return Fitted(
        best_epoch=best, history=tuple(state.history), seconds=time.monotonic() - started, device=described(device)
    )


def _identity(trained: Trained, data: Dataset, objective: Objective, settings: Training, seed: int) -> dict[str, str]:
    """Return what decides the result of a training, by name."""
    tensors = trained.tensors()
    neurons = {"kind of neuron": digests.of_value(trained.model.spiking)} if isinstance(trained.model, SNN) else {}
    return {
        "network": digests.of_shapes(tensors),
        **neurons,
        "starting weights": digests.of_tensors(tensors),
        "dataset": digests.of_data(data),
        "objective": digests.of_value(objective),
        "settings": digests.of_value(settings),
        "seed": str(seed),
    }


def _held(model: nn.Module, after_update: Callable[[], None] | None) -> None:
    if after_update is not None:
        after_update()
    hold(model)


@contextmanager
def _kept_state(model: nn.Module, learned: Sequence[nn.Parameter]) -> Iterator[None]:
    """Give all back to its device and layout, and PyTorch's random numbers to the caller, when the block ends."""
    device, training = device_of(model), model.training
    with torch.random.fork_rng(devices=[]):
        yield
    model.to(device).to(memory_format=torch.contiguous_format).train(training)  # type: ignore[call-overload]
    for parameter in learned:
        parameter.data = parameter.data.to(device)


def _announce(job: Job, device: str) -> None:
    """Say where the training runs, from which epoch, and how the best one is chosen."""
    done, settings = job.epochs.latest().epoch, job.settings
    if done < settings.epochs:
        several = f", {settings.processes} processes of one thread" if settings.processes > 1 else ""
        begun = f", from epoch {done + 1} on" if done else ""
        chosen = f"best {settings.best} accuracy on validation images"
        if not len(job.data.validation.images):
            chosen = "no validation split: the last epoch is taken"
        announce(f"{job.title}: {settings.epochs} epochs on {described(device)}{several}{begun}; {chosen}")
