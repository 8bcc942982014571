"""One process or several on this machine: parts of a batch, and sums over the processes."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from spikeport.export.errors import SpikeportError, TrainingError
from spikeport.toolchain.training.settings import Training

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
Made = TypeVar("Made")


def launched(work: Callable[[Fabric], Made], settings: Training, device: str) -> Made:
    """Return what ``work`` returns in the first of ``settings.processes`` processes on ``device``.

    One process is this one. Several are forks of it, which see all that it holds and speak over the loopback device
    alone; what they change is theirs, so ``work`` leaves its results in files. Errors of ours come back as they are.
    """
    several = settings.processes > 1
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    fabric = Fabric(
        accelerator=device,
        devices=settings.processes,
        strategy="ddp_fork" if several else "auto",
        precision=PRECISIONS[settings.precision],  # type: ignore[arg-type]
    )
    if not several:
        return work(fabric)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    try:
        made, error = fabric.launch(partial(_answering, work=work))
    except (ProcessRaisedException, ProcessExitedException) as fault:
        last = str(fault).strip().splitlines()[-1]
        raise TrainingError(
            f"a process of the training ended ({last}); run again to go on from the last epoch"
        ) from None
    if error is not None:
        raise error[0](error[1])
    return cast("Made", made)


def _answering(fabric: Fabric, work: Callable[[Fabric], Made]) -> tuple[Made | None, Any]:
    """Return the result, or the class and sentence of an error of ours, which all processes meet alike."""
    torch.set_num_threads(1)  # the threads of the process before the fork are gone, and OpenMP would wait for them
    try:
        return work(fabric), None
    except SpikeportError as error:
        return None, (type(error), str(error))


@dataclass(frozen=True, kw_only=True)
class Part:
    """The images from ``first`` to ``last`` of a batch, and their ``share`` of it."""

    first: int
    last: int
    share: float


def parts(count: int, settings: Training, rank: int) -> list[Part]:
    """Return the parts of a batch of ``count`` images that process ``rank`` computes; none without an image."""
    pieces = settings.processes * settings.accumulate
    edges = [index * count // pieces for index in range(pieces + 1)]
    chosen = range(rank * settings.accumulate, (rank + 1) * settings.accumulate)
    found = [Part(first=edges[i], last=edges[i + 1], share=(edges[i + 1] - edges[i]) / count) for i in chosen]
    return [part for part in found if part.last > part.first]


def add_up(fabric: Fabric, tensors: Sequence[Tensor], *, mean: bool = False) -> None:
    """Replace tensors of one type by their sum (or mean) over the processes, in one message."""
    if fabric.world_size == 1 or not tensors:
        return
    joined = torch.cat([tensor.flatten() for tensor in tensors])
    joined = cast("Tensor", fabric.all_reduce(joined, reduce_op="mean" if mean else "sum"))
    for tensor, summed in zip(tensors, torch.split(joined, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(summed.view_as(tensor))


def add_gradients(fabric: Fabric, parameters: Sequence[nn.Parameter]) -> None:
    """Add the gradients of all processes up; a parameter that one of them did not use has zeros there."""
    if fabric.world_size == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    add_up(fabric, [parameter.grad for parameter in parameters if parameter.grad is not None])


def share_statistics(fabric: Fabric, model: nn.Module) -> None:
    """Set the running statistics of batch norm to their means over the processes."""
    norms = [each for each in model.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]  # noqa: SLF001
    add_up(fabric, [b for norm in norms for b in (norm.running_mean, norm.running_var) if b is not None], mean=True)
