"""What counting returns: operations per projection and spikes per population, totals over all counted images."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from spikeport.export.three_counts import NOT_VERIFIED, Verification
from spikeport.hardware_profiles.columns import table
from spikeport.hardware_profiles.counting.parts import called
from spikeport.hardware_profiles.result import Result

Mode = Literal["fused", "relay", "area_ratio"]
MODES: tuple[Mode, ...] = ("fused", "relay", "area_ratio")


@dataclass(frozen=True, kw_only=True)
class Spread(Result):
    """Mean, maximum and standard deviation over images."""

    mean: float
    maximum: int
    deviation: float


@dataclass(frozen=True, kw_only=True)
class LayerCount(Result):
    """One projection, totals over all counted images: accumulates, or MACs from a graded input.

    All three come from spike counts: ``formula`` is Eq. 12 with psi of mode fused; ``relay`` and ``area_ratio`` are
    Eq. 12 in the other modes. ``synapses`` and ``relay_synapses`` are non-zero, written out. ``part`` tells it from
    other projections of the same two populations (`spikeport.hardware_profiles.counting.parts`).
    """

    derived: ClassVar[tuple[str, ...]] = ("kind",)

    source: str
    target: str
    graded: bool
    formula: int
    relay: int
    area_ratio: float
    synapses: int
    relay_synapses: int
    per_image: Spread
    part: str = ""

    @property
    def name(self) -> str:
        """The projection's name, with what tells it from others of the same two populations."""
        return called(self.source, self.target, self.part)

    @property
    def kind(self) -> str:
        """'MAC' where the source is graded, else 'AC'."""
        return "MAC" if self.graded else "AC"

    def operations(self, mode: Mode) -> float:
        """Return Eq. 12's total in one of `MODES`."""
        return float({"fused": self.formula, "relay": self.relay, "area_ratio": self.area_ratio}[mode])


@dataclass(frozen=True, kw_only=True)
class SpikeCount(Result):
    """Spikes of a population over all counted images; the rate is per neuron and step.

    ``active``: steps of a neuron in which it fired; fewer than ``spikes`` where neurons fire several times a step.
    """

    population: str
    neurons: int
    spikes: int
    rate: float
    per_image: Spread
    active: int | None = None


@dataclass(frozen=True, kw_only=True)
class OperationCounts(Result):
    """The operations of a run of ``images`` images over ``steps`` steps, by a network of ``neurons`` neurons.

    ``layers``: a count per projection, in every mode; ``spikes``: of every population. ``per_image`` are accumulates;
    all totals leave out the graded input, whose MACs are ``first_layer_macs``. They come
    from spike counts; ``verification`` has the same by other ways on sampled images, None where none were asked for.
    ``held``: the input is the same in every step, so that a host computes its layer once an image.
    """

    derived: ClassVar[tuple[str, ...]] = ("mode", "formula", "modes", "first_layer_macs", "first_layer_macs_host")

    images: int
    steps: int
    neurons: int
    layers: tuple[LayerCount, ...]
    spikes: tuple[SpikeCount, ...]
    per_image: Spread
    verification: Verification | None = None
    held: bool = False

    @property
    def mode(self) -> Mode:
        """The mode of ``formula``."""
        return "fused"

    @property
    def formula(self) -> int:
        """Accumulates by Eq. 12 in mode fused."""
        return sum(layer.formula for layer in self.layers if not layer.graded)

    @property
    def modes(self) -> dict[Mode, float]:
        """Accumulates of a mean image in every mode."""
        return {mode: self.total(mode) / self.images for mode in MODES}

    @property
    def first_layer_macs(self) -> int:
        """Multiply-accumulates of the graded input, non-zero pixels only."""
        return sum(layer.formula for layer in self.layers if layer.graded)

    @property
    def first_layer_macs_host(self) -> int:
        """Multiply-accumulates where a host does the layer of a held input once an image; else those of every step."""
        if not self.held:
            return self.first_layer_macs
        targets = {layer.target for layer in self.layers}
        of_input = sum(layer.formula for layer in self.layers if layer.graded and layer.source not in targets)
        return self.first_layer_macs - of_input + of_input // self.steps

    @property
    def total_spikes(self) -> int:
        """Spikes of all neurons; the input's are not among them."""
        return sum(each.spikes for each in self.spikes)

    @property
    def active_steps(self) -> int:
        """Steps of a neuron in which it fired, over all neurons and images."""
        return sum(each.spikes if each.active is None else each.active for each in self.spikes)

    def text(self) -> str:
        """Return a table of the projections, totals over all images, and the accumulates of a mean image by mode."""
        header = ("synapses, all images", "kind", *(f"Eq. 12 {mode}" for mode in MODES))
        rows = [
            (layer.name, layer.kind, *(f"{layer.operations(mode):,.0f}" for mode in MODES)) for layer in self.layers
        ]
        means = ", ".join(f"{mode} {number:,.0f}" for mode, number in self.modes.items())
        verified = NOT_VERIFIED if self.verification is None else self.verification.text()
        return f"{table(header, rows)}\n\naccumulates of a mean image, Eq. 12: {means}\n{verified}"

    def total(self, mode: Mode) -> float:
        """Return the accumulates by Eq. 12 in one of `MODES`."""
        return sum(layer.operations(mode) for layer in self.layers if not layer.graded)
