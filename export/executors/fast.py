"""The reference's spikes and potentials, bit for bit, at a cost that follows the accumulates a network really does.

Samples run in blocks, one block per thread through the whole network, all steps of a population at once (step by step
where the network has a loop). Per population the cheapest kernels at its densities and rates are chosen
(`spikeport.export.engine.plan`);
`spikeport.export.engine.kernels` are the compiled loops. Sums are 16 or 32 bits wide where the proof of
the registers shows that they hold every partial sum, else 64.
"""

import math
import os
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeport.export.engine.plan import Plan
from spikeport.export.engine.room import Block
from spikeport.export.engine.tally import tally
from spikeport.export.engine.work import Runner
from spikeport.export.errors import ExecutorError, StimulusError
from spikeport.export.network import Array, BiasNetwork, IntegerNetwork
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Count, Step, score_rule, until_end

NETWORKS = (IntegerNetwork, BiasNetwork)
BATCH = 100
BLOCK = 8
"""Samples that a thread takes through the network at a time."""
LARGE_BLOCK, BLOCK_BYTES = 64, 2**21
"""Samples of a block of `Scorer`, at most, and bytes that the spikes of more than `BLOCK` samples may take: in small
networks most of the time of a block does not depend on its samples."""


@until_end
def steps(
    network: IntegerNetwork,
    stimulus: Stimulus,
    *,
    batch: int = BATCH,
    keep: Collection[str] | None = None,
    count: bool = False,
    threads: int | None = None,
    force: str | None = None,
    sampled: Collection[int] = (),
) -> Iterator[Step]:
    """Run ``network`` and yield every step of every batch of at most ``batch`` samples.

    ``keep``: the populations whose spikes or potentials a step holds (all, if None). ``count``: the last step of a
    batch carries the batch's `Count`. ``threads``: one per core, if None. ``force``: one of `KERNELS`, where possible.
    ``sampled``: numbers of samples whose accumulates the kernels count, in the batch's `Count`; the first of them
    neuron by neuron (`spikeport.export.engine.tally`).
    """
    _check(network, stimulus, keep)
    threads = threads or len(os.sched_getaffinity(0))
    size = _size(len(stimulus), batch, threads)
    kept = [population.name for population in network.neurons] if keep is None else list(keep)
    runner, pool = _runner(network, size * network.steps, force), _pool(threads, os.getpid())
    choice = runner.choose(stimulus)
    for rows in stimulus.batches(batch):
        parts = [slice(start, min(start + size, rows.stop)) for start in range(rows.start, rows.stop, size)]
        run = partial(_block, runner, stimulus, sampled=sampled, keep=kept, choice=choice, count=count)
        blocks = list(pool.map(run, parts)) if len(parts) > 1 else [run(rows, pool=pool, threads=threads)]
        yield from _steps(runner.plan, stimulus, rows, blocks)


class Scorer:
    """A network made ready once, for many calls with any number of samples that want the scores alone.

    Same integers as `steps` with `spikeport.export.trace.Scores`; a readout that is scored by its mean gives T times
    the mean, which is an integer. ``threads``: one per core, if None.
    """

    def __init__(self, network: IntegerNetwork, *, threads: int | None = None) -> None:
        self.network, self.rule = network, score_rule(network)
        self.threads = threads or len(os.sched_getaffinity(0))
        neurons = sum(math.prod(population.shape) for population in network.neurons)
        self.block = max(BLOCK, min(LARGE_BLOCK, BLOCK_BYTES // (neurons * network.steps)))
        self.runner = Runner(Plan(network, lanes=self.block * network.steps))

    def __call__(self, stimulus: Stimulus) -> Array:
        """Return the scores int64 (N, outputs) of samples that all last T steps."""
        _check(self.network, stimulus, ())
        if stimulus.lengths is not None:
            raise StimulusError("some samples end before others; expected samples of the same length")
        if not len(stimulus):
            return np.zeros((0, math.prod(self.network.readout.shape)), np.int64)
        count = max(-(-len(stimulus) // self.block), min(self.threads, len(stimulus)))
        size = -(-len(stimulus) // count)
        parts = [slice(start, start + size) for start in range(0, len(stimulus), size)]
        whole = _repeated(stimulus, len(parts) * size)
        run = partial(self._scores, whole, choice=self.runner.choose(whole))
        pool = _pool(self.threads, os.getpid())
        found = list(pool.map(run, parts)) if len(parts) > 1 else [run(parts[0], pool=pool, threads=self.threads)]
        return np.concatenate(found)[: len(stimulus)]

    def _scores(self, stimulus: Stimulus, rows: slice, **options: Any) -> Array:
        name = self.network.readout.name
        block = self.runner.run(stimulus, rows, (name,), **options)
        values = block.values[name]
        values = values.transpose(4, 2, 0, 1, 3) if block.in_planes[name] else values.transpose(0, 1, 4, 2, 3)
        each = values.reshape(block.samples, self.network.steps, -1).astype(np.int64, copy=False)
        if self.rule == "last":
            return np.array(each[:, -1])
        return np.asarray(each.sum(axis=1))


def _repeated(stimulus: Stimulus, count: int) -> Stimulus:
    """Return ``count`` samples: the given ones, then the last of them again, so that all blocks are equally large."""
    missing = count - len(stimulus)
    if not missing:
        return stimulus
    return replace(stimulus, values=np.concatenate([stimulus.values, stimulus.values[-1:].repeat(missing, axis=0)]))


def _block(runner: Runner, stimulus: Stimulus, rows: slice, *, sampled: Collection[int], **options: Any) -> Block:
    """Run a block, and count what its kernels do in the samples of it that are ``sampled``."""
    chosen = [number - rows.start for number in sampled if rows.start <= number < rows.stop]
    ended = stimulus.lengths is not None
    then = None
    if chosen:
        then = partial(tally, chosen=chosen, first=rows.start, whole=min(sampled), ended=ended)
    return runner.run(stimulus, rows, then=then, **options)


def _size(samples: int, batch: int, threads: int) -> int:
    """Return how many samples make a block."""
    return max(1, min(BLOCK, batch // threads, samples // threads))


def _check(network: IntegerNetwork, stimulus: Stimulus, keep: Collection[str] | None) -> None:
    expected = (network.source.shape,) if stimulus.held else ((network.steps, *network.source.shape),)
    if stimulus.steps != network.steps or stimulus.values.shape[1:] not in expected:
        raise StimulusError(
            f"the stimulus has {stimulus.steps} steps of {stimulus.values.shape[1:]}; the network expects "
            f"{network.steps} of {network.source.shape}: make a stimulus for this network"
        )
    unknown = set(keep or ()) - {population.name for population in network.neurons}
    if unknown or isinstance(keep, str):
        raise ExecutorError(f"keep names {', '.join(unknown) or repr(keep)}; expected names of populations")


@lru_cache(maxsize=1)
def _runner(network: IntegerNetwork, lanes: int, force: str | None) -> Runner:
    """Return a network made ready to run; the last one is kept."""
    return Runner(Plan(network, lanes=lanes, force=force))


@lru_cache(maxsize=1)
def _pool(threads: int, _process: int) -> ThreadPoolExecutor:
    """Return threads that stay; a forked process has none of its parent's."""
    return ThreadPoolExecutor(threads)


class _Values(Mapping[str, Array]):
    """Spikes or potentials of one step; a population's are gathered from the blocks when they are looked at."""

    def __init__(self, plan: Plan, names: list[str], blocks: list[Block], step: int, kind: npt.DTypeLike) -> None:
        self.plan, self.names, self.blocks, self.step, self.kind = plan, names, blocks, step, kind

    def __getitem__(self, name: str) -> Array:
        if name not in self.names:
            raise KeyError(name)
        shape = self.plan.network.population(name).shape
        return np.concatenate([self._part(block, name).reshape(-1, *shape) for block in self.blocks])

    def _part(self, block: Block, name: str) -> Array:
        values = block.values[name]
        if block.in_planes[name]:
            values = values[:, :, self.step].transpose(3, 0, 1, 2)
        else:
            values = values[:, self.step].transpose(0, 3, 1, 2)
        return np.asarray(values, self.kind)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _steps(plan: Plan, stimulus: Stimulus, rows: slice, blocks: list[Block]) -> Iterator[Step]:
    network = plan.network
    kept = blocks[0].values.keys()
    spiking = [p.name for p in network.spiking if p.name in kept]
    silent = [p.name for p in network.silent if p.name in kept]
    for step in range(network.steps):
        yield Step(
            rows=rows,
            step=step,
            source=stimulus.frame(rows, step),
            spikes=_Values(plan, spiking, blocks, step, bool),
            potentials=_Values(plan, silent, blocks, step, np.int64),
            count=_count(plan, blocks) if blocks[0].active and step == network.steps - 1 else None,
        )


def _count(plan: Plan, blocks: list[Block]) -> Count:
    """Return spikes per neuron, per projection these times the fan-outs, and what the kernels counted."""
    names = blocks[0].active
    active = {name: np.sum([block.active[name] for block in blocks], axis=0) for name in names}
    crossed = [int((plan.geometries[id(p)].degrees * active[p.source]).sum()) for p in plan.network.projections]
    shapes = {p.name: p.shape for p in plan.network.populations}
    return Count(
        active={name: value.reshape(shapes[name]) for name, value in active.items()},
        operations=crossed,
        sampled=[each for block in blocks for each in block.left or ()],
    )
