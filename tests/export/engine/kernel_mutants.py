"""Mutants of the compiled kernels and of their tables, and small networks on which each mutated text runs.

A mutant drops a synapse or a spike, doubles one, or shifts something by one. It is applied to the source of the
kernels, which then run as Python, or compiled anew; tables are always Python. Nothing reads outside of its array.
"""

import inspect
import re
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spikeport.export.engine import kernels, plan, tables
from spikeport.export.executors import fast
from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import Stimulus, stimulus

Patch = Callable[[Any, str, Any], None]
KINDS = ("drops", "doubles", "shifts")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change: in the text of ``name`` every ``old`` becomes ``new``; ``case`` is a network that runs it.

    ``used``: the kernels that are replaced, where ``name`` is a helper of theirs.
    """

    name: str
    kind: str
    old: str
    new: str
    case: str
    used: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """A line that names the change."""
        return f"{self.name} {self.kind}, {self.case}: {self.old.strip()} => {self.new.strip()}"


def _three(name: str, case: str, *changes: tuple[str, str], used: tuple[str, ...] = ()) -> list[Mutant]:
    """Return the mutants of one text: what drops, what doubles, what shifts."""
    return [
        Mutant(name=name, kind=kind, old=old, new=new, case=case, used=used)
        for kind, (old, new) in zip(KINDS, changes, strict=True)
    ]


FOUR = "a[lane] * p + b[lane] * q + c[lane] * r + d[lane] * s"
ROWS = "total[j] += a[j] + b[j] + c[j] + d[j]"
WINDOW = "line[x] = a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1]"
ARRIVING = "np.int32(arriving[lane])"
INTEGRATE = (
    (ARRIVING, "np.int32(arriving[lane] * (lane > 0))"),
    (ARRIVING, "np.int32(arriving[lane] * (1 + (lane == 0)))"),
    (ARRIVING, "np.int32(arriving[(lane + 1) % lanes])"),
)
COPY = "for lane in range(begin * samples, end * samples):"
ENTRIES = "for entry in range(rows[row], rows[row + 1]):"
LISTED = (
    (ENTRIES, "for entry in range(rows[row] + 1, rows[row + 1]):"),
    (
        "total[target + index[entry]] += weights[entry] * level",
        "total[target + index[entry]] += weights[entry] * (level + level)",
    ),
    ("total[target + index[entry]]", "total[target + index[entry] - 1]"),
)
KERNELS = (
    *_three("pad_planes", "planes",
        (COPY, "for lane in range(begin * samples, end * samples - 1):"),
        ("to[i + lane] = of[start + lane]", "to[i + lane] = of[start + lane] * 2"),
        ("shift = across * least[1] + right", "shift = across * least[1] + right + 1"),
    ),
    *_three("pad_planes", "strided planes",
        ("for column in range(begin, end):", "for column in range(begin, end - 1):"),
        ("= of[start + sample]", "= of[start + sample] * 2"),
        ("y = stride[0] * (row + least[0]) + down", "y = stride[0] * (row + least[0]) + down - 1"),
    ),
    *_three("sum_windows", "pooled planes, one image",
        (WINDOW, WINDOW.removesuffix(" + b[2 * x + 1]")),
        (WINDOW, WINDOW.replace("a[2 * x + 1]", "2 * a[2 * x + 1]")),
        (WINDOW, WINDOW.replace("line[x]", "line[(x + 1) % small]")),
    ),
    *_three("sum_windows", "pooled planes",
        ("for down in range(1, window[0]):", "for down in range(2, window[0]):"),
        ("tall[lane] += b[lane]", "tall[lane] += 2 * b[lane]"),
        ("y * window[0] + down, step]", "y * window[0] + down - 1, step]"),
    ),
    *_three("_join", "pooled planes",
        ("for across in range(1, width):", "for across in range(2, width):"),
        ("+= tall[(x", "+= 2 * tall[(x"),
        ("= tall[x * width * samples + sample]", "= tall[(x * width + 1) * samples + sample]"),
        used=("sum_windows",),
    ),
    *_three("add_planes", "planes",
        (FOUR, FOUR.removesuffix(" + d[lane] * s")),
        (FOUR, FOUR.replace("c[lane] * r", "2 * c[lane] * r")),
        ("starts[index[entry + 1]] + start", "starts[index[entry + 1]] + start + 1"),
    ),
    *_three("add_planes", "few weights in planes",
        ("while entry < last:", "while entry < last - 1:"),
        ("total[lane] += a[lane] * p\n", "total[lane] += a[lane] * 2 * p\n"),
        ("i, p = starts[index[entry]] + start,", "i, p = starts[index[entry]] + start + 1,"),
    ),
    Mutant(name="add_planes", kind="drops", old="if fresh:", new="if True:", case="two paths in planes"),
    *_three("list_events", "lists",
        ("!= 0", "!= 0 and channel > 0"),
        ("starts[lane, position] = count", "starts[lane, position] = max(0, count - 1)"),
        ("channels[lane, count] = channel", "channels[lane, count] = (channel + 1) % size"),
    ),
    *_three("add_lists", "lists", *LISTED),
    *_three("add_lists", "merged", *LISTED),
    *_three("add_rows", "rows",
        (ROWS, ROWS.removesuffix(" + d[j]")),
        (ROWS, ROWS.replace("c[j]", "c[j] + c[j]")),
        (ROWS, ROWS.replace("total[j]", "total[(j + 1) % reach]")),
    ),
    *_three("add_rows", "rows",
        ("while event < end:", "while event < end - 1:"),
        ("total[j] += a[j]\n", "total[j] += a[j] + a[j]\n"),
        ("total[j] += a[j]\n", "total[(j + 1) % reach] += a[j]\n"),
    ),
    *_three("integrate_and_fire", "planes", *INTEGRATE),
    *_three("integrate_and_fire", "neurons of many kinds", *INTEGRATE),
    *_three("leak_and_fire", "leaky", *((a.replace("32", "64"), b.replace("32", "64")) for a, b in INTEGRATE)),
    *_three("_count", "planes",
        ("range(neuron * each, (neuron + 1) * each)", "range(neuron * each, (neuron + 1) * each - 1)"),
        ("active[neuron] += total", "active[neuron] += 2 * total"),
        ("active[neuron] += total", "active[(neuron + 1) % len(active)] += total"),
        used=("integrate_and_fire", "leak_and_fire"),
    ),
    Mutant(
        name="_line", kind="shifts", old="return start + group", new="return start + 1 + group", case="planes",
        used=("integrate_and_fire",),
    ),
    Mutant(
        name="_line", kind="shifts", old="return start + group", new="return start + 1 + group", case="pooled planes",
        used=("sum_windows",),
    ),
)  # fmt: skip
LAST = "index=lists.index,\n        weights=lists.weights,"
TWICE = "index=np.append(lists.index, lists.index[-1]),\n        weights=np.append(lists.weights, lists.weights[-1]),"
PER_ROW, COUNTED = "*geometry.per_row.ravel()])", "*counts.ravel()])"
TABLES = (
    *_three("_entries", "planes",
        ("weights[here] = part[row, place]", "weights[here] = part[row, place] * (place != place.max())"),
        (
            "return index, weights, counts",
            "counts[-1] += 1; return np.append(index, index[-1]), np.append(weights, weights[-1]), counts",
        ),
        ("* each + place", "* each + place - (place > 0)"),
    ),
    Mutant(
        name="Planes.starts", kind="shifts", case="planes",
        old="self.shift * samples", new="(self.shift + 1) * samples",
    ),
    Mutant(
        name="Planes.frame", kind="shifts", case="planes",
        old="Frame(-self.least[0], -self.least[1],", new="Frame(-self.least[0], -self.least[1] - 1,",
    ),
    *_three("to_events", "lists",
        ("(along_channels[target], weight)", "(along_channels[target], weight * (target != target.max()))"),
        (
            PER_ROW + ",\n        " + LAST,
            PER_ROW + " + (np.arange(geometry.per_row.size + 1) == geometry.per_row.size),\n        " + TWICE,
        ),
        ("(along_channels[target], weight)", "(along_channels[np.maximum(target - 1, 0)], weight)"),
    ),
    *_three("to_events", "rows",
        ("table <<= exponent", "table <<= exponent; table.ravel()[np.argmax(table.ravel() != 0)] = 0"),
        ("table <<= exponent", "table <<= exponent; table.ravel()[np.argmin(table.ravel() != 0)] = 1"),
        ("table <<= exponent", "table = np.roll(table, 1, axis=2)"),
    ),
    *_three("_merged", "merged",
        ("(index[order], weight[order])", "(index[order], weight[order] * (index[order] != index.max()))"),
        (COUNTED + ",\n        " + LAST, COUNTED + " + (np.arange(counts.size + 1) == counts.size),\n        " + TWICE),
        ("+ frame.left) * size", "+ frame.left - 1) * size"),
    ),
    Mutant(
        name="_places", kind="shifts", case="rows", old="x + frame.left", new="(x + 1) % result.width + frame.left"
    ),
)  # fmt: skip


def network_of(case: str) -> tuple[IntegerNetwork, Stimulus, str]:
    """Return the network of a case, its input, and the kernel that its projections take."""
    rng = np.random.default_rng(len(case))
    stride, window = (2 if case == "strided planes" else 1), (2 if "pooled" in case else 1)
    density = 0.1 if case == "few weights in planes" else 0.7
    shape, populations, projections = (3, 6, 6), [], []
    populations.append(IntegerPopulation(name="input", shape=shape, neuron=Source(levels=1, unit=1.0)))
    for name in ("a", "b"):
        paths = [_convolution(rng, shape, stride, window, density) for _ in range(1 + (case == "two paths in planes"))]
        shape = paths[0].output_shape(shape)
        populations.append(IntegerPopulation(name=name, shape=shape, neuron=_neuron(rng, case, shape)))
        projections += [IntegerProjection(source=populations[-2].name, target=name, synapses=path) for path in paths]
        stride, window = 1, 1 if shape[1] % 2 else window
    readout = IntegerNeuron(threshold=None, bias_mantissa=np.zeros(()))
    populations.append(IntegerPopulation(name="readout", shape=(5,), neuron=readout))
    dense = Dense(weight=_weights(rng, (5, int(np.prod(shape))), 0.5))
    projections.append(IntegerProjection(source="b", target="readout", synapses=dense))
    network = IntegerNetwork(populations=tuple(populations), projections=tuple(projections), steps=2)
    images = 1 if "one image" in case else 3
    values = (rng.random((images, 2, *network.source.shape)) < 0.6).astype(np.uint8)
    return network, stimulus(values, network), case if case in ("lists", "rows", "merged") else "planes"


def _convolution(
    rng: np.random.Generator, shape: tuple[int, ...], stride: int, window: int, density: float
) -> Convolution:
    weight = _weights(rng, (4, shape[0], 3, 3), density).repeat(window, 2).repeat(window, 3)
    return Convolution(weight=weight, stride=(stride * window,) * 2, padding=(window, window))


def _weights(rng: np.random.Generator, shape: tuple[int, ...], density: float) -> Any:
    weight = rng.choice([-2, -1, 1, 2, 3], shape)
    return np.where(rng.random(shape) < density, weight, 0).astype(np.int8)


def _neuron(rng: np.random.Generator, case: str, shape: tuple[int, ...]) -> IntegerNeuron:
    several = case == "neurons of many kinds"
    threshold = rng.integers(0, 3, shape if several else ())
    decay = 100 if case == "leaky" else 0
    reset_by = np.array(2) if several else None
    return IntegerNeuron(threshold=threshold, bias_mantissa=np.zeros(()), decay_v=decay, reset_by=reset_by)


def force(kernel: str, patch: Patch) -> None:
    """Let every projection take one ``kernel``, where it can, in plans made anew; one thread, one block."""
    runner = fast._runner.__wrapped__
    patch(fast, "_runner", lambda network, lanes, _: runner(network, lanes, kernel))
    patch(fast.os, "sched_getaffinity", lambda _: {0})


def apply(mutant: Mutant, patch: Patch, *, compiled: bool) -> None:
    """Put the mutated text in the place of the right one, by ``patch(owner, name, value)``."""
    if mutant in KERNELS:
        module = _kernels(mutant, compiled=compiled)
        for name in mutant.used or (mutant.name,):
            patch(kernels, name, getattr(module, name))
        return
    owner, _, name = mutant.name.rpartition(".")
    holder = getattr(tables, owner) if owner else tables
    found = holder.__dict__[name]
    source = inspect.cleandoc("\n" + inspect.getsource(found.fget if isinstance(found, property) else found))
    namespace: dict[str, Any] = {}
    exec(_changed(source, mutant), vars(tables), namespace)
    patch(holder, name, namespace[name])
    if holder is tables and hasattr(plan, name):
        patch(plan, name, namespace[name])


def _kernels(mutant: Mutant, *, compiled: bool) -> types.ModuleType:
    """Return the module of kernels with one text changed, compiled anew or as Python."""
    text = Path(kernels.__file__).read_text(encoding="utf-8")
    match = re.search(rf"@_compiled\ndef {mutant.name}\(.*?(?=\n@_compiled|\Z)", text, re.DOTALL)
    assert match, mutant.name
    text = text.replace(match[0], _changed(match[0], mutant))
    if not compiled:
        text = text.replace("@_compiled\n", "")
    module = types.ModuleType("mutated_kernels")
    exec(text, vars(module))
    return module


def _changed(text: str, mutant: Mutant) -> str:
    assert mutant.old in text, f"{mutant.label}: the old text does not occur"
    assert mutant.old != mutant.new, mutant.label
    return text.replace(mutant.old, mutant.new)
