"""What the combinations of a sweep measured: shares, and what an image costs, by the values that are no seed."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from spikeport.toolchain.runs.combinations import Combination
from spikeport.toolchain.stages.records import Record

SEED = "seed"
Row = tuple[str, ...]
MODEL = ("clean", "robust", "zero weights")
"""Shares of the last network that was measured."""
INTEGERS = ("integers", "integers, robust")
"""Shares of the integers under the images of the stage 'check'."""
ACCUMULATES, CORES, ENERGY = "accumulates", "cores", "known energy, nJ"
NOT_SHARES = (ACCUMULATES, CORES, ENERGY)
"""Beginnings of columns that hold no share: means over images, by Eq. 12 (fused) and of what a profile knows."""
Figures = dict[str, float | None]


def figures(records: Mapping[str, Record]) -> Figures:
    """Return what was measured, the latest of each: shares, and what an image costs.

    Robust shares by epsilon, in levels of 1/255; ``worst``: the worst case per image over all attacks of a suite. Two
    stages that attack one model in the same words are told apart by their names.
    """
    found: Figures = dict.fromkeys((*MODEL, *INTEGERS))
    several = Counter((model, words) for record in records.values() for model, words in _attacks(record))
    for name, record in records.items():
        metrics = record.metrics
        if "clean" in metrics:
            keys = zip(MODEL, ("clean", "robust", "sparsity"), strict=True)
            found |= {column: metrics.get(key) for column, key in keys}
        if record.stage == "check":
            found |= dict(zip(INTEGERS, (metrics["accuracy"]["integer"], metrics.get("robust")), strict=True))
        for each in metrics.get("epsilons", ()):
            alone = several[_model(record), _words(each)] == 1
            column = f"{_words(each)}{'' if alone else f' ({name})'}, {each['epsilon']:g}"
            found |= {column: each["network"], f"integers, {column}": each["integer"]}
        if record.stage == "report" and ACCUMULATES in metrics:
            found[ACCUMULATES] = metrics[ACCUMULATES]
            found |= {f"{CORES}, {name}": cores for name, cores in metrics["cores"].items()}
            found |= {f"{ENERGY}, {name}": 1e9 * joules for name, joules in metrics["joules"].items()}
    return found


def _attacks(record: Record) -> set[tuple[str, str]]:
    """Return what a stage attacked, and how it says so, once for all epsilons."""
    return {(_model(record), _words(each)) for each in record.metrics.get("epsilons", ())}


def _model(record: Record) -> str:
    return record.inputs.get("model", "")


def _words(each: Mapping[str, Any]) -> str:
    return "worst" if "network_error" in each else each["attack"]


def grouped(
    combinations: Sequence[Combination], records: Mapping[str, Mapping[str, Record]]
) -> dict[Row, list[Figures]]:
    """Return the figures of all seeds by the other values of their combinations, those that ran."""
    keys = [key for key in combinations[0].values if key != SEED]
    groups: dict[Row, list[Figures]] = {}
    for each in combinations:
        own = groups.setdefault(tuple(each.texts[key] for key in keys), [])
        if each.name in records:
            own.append(figures(records[each.name]))
    return groups


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error, ``s / sqrt(n)``; 0 of one value."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean, 0.0
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return mean, deviation / math.sqrt(len(values))
