"""What a report says first: the network, its accuracy, is it exact, and for each chip fits or not, energy, latency."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from spikeport.hardware_profiles import energy, latency
from spikeport.hardware_profiles.columns import percent

Tone = Literal["good", "bad", "soft"]
Document = Mapping[str, Any]
IN_WORDS = {
    "synaptic_operations": "synapses",
    "neuron_updates": "neuron updates",
    "spike_traffic": "spike traffic",
    "first_layer_host": "first layer on the host",
    "static": "static power",
    "spike_traffic_between_chips": "spikes between chips",
}
"""The parts of the sum of the energy, in the order of the bars."""
NO_LABELS = "not measured: the input has no labels"
NOT_COMPARED = "Executors were not compared in this report; 'spikeport check' does that."


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A sentence, and whether it is good or bad news."""

    sentence: str
    tone: Tone


@dataclass(frozen=True, kw_only=True)
class ChipLine:
    """What the headline says of one profile: does it run the network, does that fit, energy and what is in it, time."""

    name: str
    runs: Verdict
    fits: Verdict
    energy: str
    parts: str
    time: str


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The main figures; ``clean`` and ``robust``, accuracies in per cent, are None where not measured."""

    name: str
    clean: str | None
    clean_of: str
    robust: str | None
    robust_of: str
    exact: Verdict
    chips: tuple[ChipLine, ...]


def headline(document: Document) -> Headline:
    """Return the headline of a report's document.

    Accuracy is that of the last network whose robust accuracy was measured, the integers in a run, else of the last.
    """
    rows = document.get("accuracy") or []
    row = ([each for each in rows if each["robust"] is not None] or rows or [None])[-1]
    robust, robust_of = _robust(document, row)
    network = document["network"]
    return Headline(
        name=network["name"] or f"network {network['digest'][:16]}",
        clean=_share(row["clean"], row.get("error")) if row else None,
        clean_of=row["title"] if row else NO_LABELS,
        robust=robust,
        robust_of=robust_of,
        exact=exactness(document),
        chips=tuple(_chip(document, name) for name in document["profiles"]),
    )


def exactness(document: Document) -> Verdict:
    """Return whether all executors gave the same spikes."""
    if "fidelity" not in document:
        return Verdict(sentence=NOT_COMPARED, tone="soft")
    wrong = sum(found["mismatches"] for found in document["fidelity"].values())
    if wrong:
        return Verdict(sentence=f"Not exact: {wrong:,} neuron steps differ.", tone="bad")
    sentence = "Exact: every executor gives the same spikes, every neuron, every step."
    return Verdict(sentence=sentence, tone="good")


def attacked(attack: Document) -> str:
    """Return the attack with its epsilon as a heading."""
    return f"{attack['name']}, eps {attack['epsilon']:g}/255"


def robust(attack: Document, network: str) -> str:
    """Return the robust accuracy of the network of this key, with its standard error where that is known."""
    return "" if attack[network] is None else _share(attack[network], attack[f"{network}_error"])


def _share(value: float, error: float | None) -> str:
    return percent(value) if error is None else f"{100 * value:.1f} ± {100 * error:.1f} %"


def _robust(document: Document, row: Document | None) -> tuple[str | None, str]:
    """Return the robust accuracy of the integers, of the worst case over attacks where several were run, and its name.

    A stage of attack counts before the attack that a recipe evaluates with; of several epsilons, the first.
    """
    deployed = [each for each in document.get("attacks") or [] if each["integer"] is not None]
    first = next((each for each in deployed if each["ran"]), deployed[0] if deployed else None)
    if first is not None:
        return robust(first, "integer"), f"{attacked(first)}, {first['images']:,} images"
    if row is None or row["robust"] is None or document.get("attack") is None:
        return None, "not measured"
    attack = document["attack"]
    return percent(row["robust"]), f"{attacked(attack)}, {attack['images']:,} images"


def _chip(document: Document, name: str) -> ChipLine:
    found, time = document["energy"][name], document["latency"].get(name)
    return ChipLine(
        name=name,
        runs=_runs(document["chips"].get(name)),
        fits=_fits(document["placement"][name], priced_only=name not in document["chips"]),
        energy=energy.shown(found, "sum_of_known"),
        parts=parts(found),
        time=_time(time),
    )


def _runs(chip: Document | None) -> Verdict:
    if chip is None:
        return Verdict(sentence="no chip", tone="soft")
    if chip["runs"] is None:
        return Verdict(sentence="not known", tone="soft")
    number = len(chip["failures"])
    failed = f"no: {number:,} rule{'s' if number != 1 else ''} fail{'s' if number == 1 else ''}"
    return Verdict(sentence="yes", tone="good") if chip["runs"] else Verdict(sentence=failed, tone="bad")


def _fits(placed: Document, *, priced_only: bool) -> Verdict:
    if priced_only:
        return Verdict(sentence="no cores", tone="soft")
    if "cores" not in placed:
        return Verdict(sentence="not placed", tone="bad")
    return Verdict(sentence=f"{counted(placed['cores'], 'core')}, {counted(placed['chips'], 'chip')}", tone="good")


def counted(number: int, noun: str) -> str:
    """Return '1 core' or '1,234 cores'."""
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def _time(time: Document | None) -> str:
    if time is None or time["latency"] is None:
        return "unknown"
    return f"{latency.shown(time, 'latency')}, {time['kind']}"


def parts(found: Document) -> str:
    """Return what is in the sum of an energy, and what it lacks."""
    included = [IN_WORDS[part] for part in IN_WORDS if part in found["included"]]
    synapses = f"synapses ({', '.join(included)} in them)" if included else "synapses"
    known = [
        f"{synapses if part == 'synaptic_operations' else title} {energy.shown(found, part)}"
        for part, title in IN_WORDS.items()
        if found.get(part)
    ]
    lacking = [IN_WORDS[part] for part in found["missing"]]
    return "; ".join([", ".join(known), *([f"without {', '.join(lacking)}"] if lacking else [])])
