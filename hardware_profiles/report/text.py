"""The report and other results as plain text tables."""

from collections.abc import Sequence
from typing import Any


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return aligned columns, the first to the left and the others to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    _, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
    return [row[0].ljust(widths[0]), *others]


def percent(share: float) -> str:
    """Return a share as per cent."""
    return f"{100 * share:.1f} %"


def render(document: dict[str, Any]) -> str:
    """Return the report's main figures as text."""
    parts = []
    if "accuracy" in document:
        parts.append(_accuracy(document["accuracy"], document["attack"]))
    if "fidelity" in document:
        parts.append(fidelity(document["fidelity"]))
    parts += [_operations(document["operations"], document["spikes"]), _costs(document)]
    return "\n\n".join(parts)


def fidelity(found: dict[str, Any]) -> str:
    """Return the comparison of executors as text."""
    rows = [(name, f"{values['compared']:,}", f"{values['mismatches']:,}") for name, values in found.items()]
    return table(("executor against fast", "neuron steps compared", "different"), rows)


def _accuracy(accuracy: dict[str, float], attack: dict[str, Any]) -> str:
    rows = [
        (title, percent(accuracy[f"{key}_clean"]), percent(accuracy[robust]) if robust in accuracy else "")
        for title, key, robust in (
            ("dense ANN", "ann", "ann_robust"),
            ("sparse ANN", "ann_sparse", "ann_sparse_robust"),
            ("sparse SNN, float", "snn_float", "snn_robust"),
            ("sparse SNN, integers", "snn_integer", "snn_integer_robust"),
            ("sparse SNN in Lava", "lava", "lava_robust"),
        )
        if f"{key}_clean" in accuracy
    ]
    attacked = f"{attack['name']}-{attack['attack_steps']}, eps {attack['epsilon']:g}/255"
    return table(("accuracy on held-out images", "clean", attacked), rows)


def _operations(operations: dict[str, Any], spikes: list[dict[str, Any]]) -> str:
    rates = {layer["population"]: percent(layer["rate"]) for layer in spikes}
    rows = [
        (
            f"{layer['source']} -> {layer['target']}",
            rates.get(layer["source"], "graded"),
            layer["kind"],
            f"{layer['simulated']:,}",
            f"{layer['formula']:,}",
            layer["difference"],
        )
        for layer in operations["layers"]
    ]
    header = ("synapses", "spike rate", "kind", "simulated", "Eq. 12", "difference")
    return table(header, rows)


def _costs(document: dict[str, Any]) -> str:
    rows = [
        (
            name,
            placed["cores"],
            placed["chips"],
            f"{placed['max_core_memory_bytes']:,}",
            f"{document['energy'][name]['synaptic_eq12'] * 1e6:.3g}",
            _range(document["energy"][name]),
        )
        for name, placed in document["placement"].items()
    ]
    header = ("profile", "cores", "chips", "bytes on fullest core", "Eq. 12, uJ/image", "neuron updates, uJ/image")
    return table(header, rows)


def _range(energy: dict[str, Any]) -> str:
    return f"{energy['neuron_updates_inactive'] * 1e6:.3g} to {energy['neuron_updates_active'] * 1e6:.3g}"
