"""What `quantize` gives: an integer network, its proof, and whether the chips that were asked for run it."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from spikeport.export import archive
from spikeport.export.network import IntegerNetwork, IntegerProjection
from spikeport.export.shown import Shown
from spikeport.hardware_profiles.neuron_rules import INPUT_RULES
from spikeport.hardware_profiles.verdicts import ChipVerdict
from spikeport.toolchain.verbs.sources import wrote

WIDEST = "formats: the widest that either Loihi is known to hold; --for loihi1 keeps to a chip's own"


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantized(Shown):
    """An integer network and its proof.

    ``proof``: no register can wrap or saturate, for any input, or which ones can leave their range. ``clips``: per
    population the share of the largest weight at which weights were cut, where calibration images chose it.
    ``warnings``: populations of which many weights became zero. ``chips``:
    whether the chips that were asked for run the network, cores aside, at which `report` looks. The rules of the input
    stand in their text, but not in ``passed``: biases or spikes may still take the place of graded input.
    """

    network: IntegerNetwork
    proven: bool
    proof: str
    clips: dict[str, float] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    out: Path | None = None
    chips: tuple[ChipVerdict, ...] = ()

    @property
    def weight_bits(self) -> dict[str, int]:
        """Bits, with the sign, that the largest weight into a population takes; 0 where all are zero.

        Fewer than were asked for: a register or a bias holds no larger scale, so small weights are rounded coarsely.
        """
        largest = {p.name: [_largest(each) for each in self.network.incoming(p.name)] for p in self.network.neurons}
        return {name: max(each, default=0).bit_length() + any(each) for name, each in largest.items()}

    @property
    def passed(self) -> bool:
        """Whether the chips that were asked for run the network, as far as integers and neurons go."""
        return not any(reason for chip in self.chips for reason in _without_input(chip).reasons)

    def text(self) -> str:
        """Return the bounds of all registers, and what was assumed."""
        clips = [_clipped(self.clips)] if self.clips else []
        lines = [*self.assumptions, *clips, *wrote(self.out), f"{self.proof}:"]
        for name, bound in self.network.bounds.items():
            bits = f"weights of {self.weight_bits[name]} bits, " if self.weight_bits[name] else ""
            current, potential = f"{bound.u_min:,}..{bound.u_max:,}", f"{bound.v_min:,}..{bound.v_max:,}"
            lines.append(f"  {name}: {bits}current u {current}, potential v {potential}")
        lines += [f"warning: {sentence}" for sentence in self.warnings]
        lines += [line for chip in self.chips for line in chip.lines] or [WIDEST]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return digest, proof and bounds."""
        return {
            "digest": archive.digest(self.network),
            "proven": self.proven,
            "proof": self.proof,
            "clips": dict(self.clips),
            "weight_bits": self.weight_bits,
            "bounds": {name: asdict(bound) for name, bound in self.network.bounds.items()},
            "assumptions": list(self.assumptions),
            "warnings": list(self.warnings),
            "chips": {chip.chip: chip.to_dict() for chip in self.chips},
        }


def _clipped(clips: dict[str, float]) -> str:
    """Return at which share of the largest weight calibration had weights cut, layer by layer, in words."""
    cut = {name: share for name, share in clips.items() if share != 1}
    if not cut:
        return "calibration: weights kept whole at every layer"
    shares = ", ".join(f"{name} above {share:.0%}" for name, share in cut.items())
    kept = [name for name in clips if name not in cut]
    whole = f"; kept whole: {', '.join(kept)}" if kept else ""
    return f"calibration: weights cut to a share of the layer's largest, in {shares}{whole}"


def _largest(projection: IntegerProjection) -> int:
    weight = projection.synapses.weight
    return max(int(weight.max()), -int(weight.min())) if weight.size else 0


def _without_input(chip: ChipVerdict) -> ChipVerdict:
    """Return a verdict without the rules of the input: biases or spikes may still take its place."""
    own = {rule.__name__ for rule in INPUT_RULES}
    return replace(chip, failures=tuple(each for each in chip.failures if each.rule not in own))
