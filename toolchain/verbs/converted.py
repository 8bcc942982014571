"""What `convert` takes and gives: settings, accuracy, a spiking network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from spikeport.export import archive
from spikeport.export.errors import NetworkError
from spikeport.export.files import write_json
from spikeport.export.network import FloatNetwork, IntegerNetwork
from spikeport.export.numbers import STEPS, Range, real, whole
from spikeport.export.shown import Shown
from spikeport.export.targets import WEIGHT_BITS
from spikeport.toolchain.verbs.sources import AnyPath, wrote

BITS = Range(least=2, most=8)
PERCENT = Range(least=50, most=100)
SCALE = Range(least=0.01, most=100)
SHIFT = Range(least=0, most=1)
IMAGES = Range(least=1, most=100_000)
RESETS, MAXIMA = ("subtractive", "hard"), ("relu", "spikes")
CLOSE = 0.01
"""Accuracy that a conversion may cost before the text says what helps."""
APART, ROUNDING = 0.1, 1e-9
"""The same without labels: share of the images whose class changes."""


@dataclass(frozen=True, kw_only=True)
class ConvertSettings:
    """How a ReLU network becomes a spiking one.

    ``steps``: T of a sample. ``sparsity``: share of every layer's weights, the smallest, that become zero first.
    ``percentile`` of the activations (in percent) that a threshold is, and ``shift``, the thresholds that every neuron
    gets as a bias over a sample (`spikeport.toolchain.rate_coding`): None tries several on the calibration images.
    ``threshold_scale`` multiplies all thresholds. ``reset``: 'subtractive' codes rates exactly; 'hard' is what some
    chips have. ``max_pooling``: 'relu' computes maxima by neurons of their own, 'spikes' fires where any neuron of a
    window does. ``mean`` and ``std``: what the network was trained with, ``(pixels - mean) / std``, one number or one a
    channel. ``weight_bits``: 2 to 8, for integers. ``images``: of the calibration, how many are tried at most.
    """

    steps: int = 32
    sparsity: float = 0.0
    percentile: float | None = None
    threshold_scale: float = 1.0
    shift: float | None = None
    reset: Literal["subtractive", "hard"] = "subtractive"
    max_pooling: Literal["relu", "spikes"] = "relu"
    mean: float | tuple[float, ...] | None = None
    std: float | tuple[float, ...] | None = None
    weight_bits: int | None = None
    images: int = 300

    def __post_init__(self) -> None:
        whole(self.steps, "steps", STEPS, error=NetworkError)
        whole(self.images, "images", IMAGES, error=NetworkError)
        if not 0 <= self.sparsity < 1:
            raise NetworkError(f"sparsity is {self.sparsity}; expected a share from 0 to below 1: 0.9 keeps a tenth")
        for name, within in (("percentile", PERCENT), ("threshold_scale", SCALE), ("shift", SHIFT)):
            if getattr(self, name) is not None:
                real(getattr(self, name), name, within, error=NetworkError)
        if self.weight_bits is not None:
            whole(self.weight_bits, "weight_bits", BITS, error=NetworkError)
        for name, words in (("reset", RESETS), ("max_pooling", MAXIMA)):
            if getattr(self, name) not in words:
                raise NetworkError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(words)}")


@dataclass(frozen=True, kw_only=True)
class Accuracy(Shown):
    """Shares of ``images`` of ``source`` whose class is right, each None without labels or without that network.

    ``ann``: the network as it was given, ``pruned``: with its sparsity, ``snn``: spikes in real numbers, ``integers``.
    ``agreement``: the same class as ``ann``, by the integers, or by the SNN where there are none; ``snn_agreement``: by
    the SNN. All shares are None for a network of one output, which has no classes.
    """

    source: str
    images: int
    ann: float | None
    pruned: float | None
    snn: float | None
    integers: float | None
    agreement: float | None
    snn_agreement: float | None = None

    def text(self) -> str:
        """Return the shares in one sentence."""
        if self.agreement is None:
            return "one output: no classes, so no accuracy; the logits tell how far the networks differ"
        known = (("ANN", self.ann), ("pruned ANN", self.pruned), ("SNN", self.snn), ("integers", self.integers))
        shares = [f"{name} {share:.2%}" for name, share in known if share is not None]
        on, same = f"{self.images:,} {self.source}", f"same class as the ANN {self.agreement:.2%}"
        return (
            f"accuracy {', '.join(shares)} on {on}; {same}" if shares else f"{same} on {on}; no labels, so no accuracy"
        )

    @property
    def lost(self) -> tuple[float, float]:
        """What the conversion costs, accuracy or without labels agreement, and which part of it the integers cost."""
        if self.agreement is None:
            return 0.0, 0.0
        if self.ann is not None and self.snn is not None:
            last = self.snn if self.integers is None else self.integers
            return self.ann - last, self.snn - last
        return 1 - self.agreement, (self.snn_agreement or 0.0) - self.agreement


@dataclass(frozen=True, kw_only=True, eq=False)
class Converted(Shown):
    """A spiking ``network`` of a ReLU network, in real numbers.

    With ``weight_bits`` in the ``settings`` also in ``integers``.

    ``percentile``, ``shift`` and ``error`` (of the logits) are those that were chosen; ``thresholds`` one per
    population. ``accuracy`` is on the input, or on the calibration images. ``notes``: what was dropped or limits it;
    ``warnings``: what the integers lost. ``proof``: whether a register of the integers can overflow. ``out``: the
    archive that was written.
    """

    network: FloatNetwork
    integers: IntegerNetwork | None
    settings: ConvertSettings
    percentile: float
    shift: float
    error: float
    thresholds: dict[str, float]
    accuracy: Accuracy
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    proof: str = ""
    out: Path | None = None

    def text(self) -> str:
        """Return what the conversion costs in accuracy, what limits it, and how it was done."""
        settings = self.settings
        pruned = [f"pruned: {settings.sparsity:.1%} of every layer's weights are zero"] if settings.sparsity else []
        chosen = "given" if None not in (settings.percentile, settings.shift) else "chosen on the calibration images"
        kind = (
            self.proof
            if self.integers is not None
            else "a float network: integers come from --weight-bits, or quantize"
        )
        thresholds = f"thresholds: each layer's percentile {self.percentile:g} of its activations"
        thresholds += f"; biases add {self.shift:g} thresholds a sample"
        advice = self._advice()
        difference = f"logits differ from the ANN's by {self.error:.1%} on the calibration images"
        return "\n".join(
            [
                self.accuracy.text(),
                *advice,
                *(f"{'warning' if advice else 'note'}: {warning}" for warning in self.warnings),
                *(f"note: {note}" for note in self.notes),
                *pruned,
                f"{thresholds} ({chosen})",
                f"T = {settings.steps}, {settings.reset} reset; {difference}",
                kind,
                *wrote(self.out),
            ]
        )

    def _advice(self) -> list[str]:
        """Return what helps where the conversion costs more than a point, or changes many classes."""
        lost, by_integers = self.accuracy.lost
        labelled = self.accuracy.ann is not None
        if lost <= (CLOSE if labelled else APART) + ROUNDING:
            return []
        bits = self.settings.weight_bits or WEIGHT_BITS
        if by_integers > lost / 2:
            ways = ["fewer steps", *(["more weight bits"] if bits < WEIGHT_BITS else [])]
        else:
            ways = [*(["less sparsity"] if self.settings.sparsity else []), "more steps"]
        what = f"the conversion costs {lost:.2%}" if labelled else f"{lost:.2%} of the classes change"
        return [f"warning: {what}; {', '.join(ways)}, or finetuning in a recipe (docs/own_networks.md) help"]

    def to_dict(self) -> dict[str, Any]:
        """Return digests, thresholds, accuracy and notes as plain data."""
        return {
            "digest": archive.digest(self.integers or self.network),
            "steps": self.settings.steps,
            "sparsity": self.settings.sparsity,
            "percentile": self.percentile,
            "shift": self.shift,
            "reset": self.settings.reset,
            "error": self.error,
            "thresholds": dict(self.thresholds),
            "accuracy": dict(vars(self.accuracy)),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "proof": self.proof,
        }

    def write_json(self, path: AnyPath) -> None:
        """Write `to_dict` as JSON."""
        write_json(Path(path), self.to_dict())
