"""A what-if table as text."""

from collections.abc import Sequence

from spikeport.hardware_profiles.columns import table
from spikeport.hardware_profiles.counting import MODES
from spikeport.hardware_profiles.energy import shown
from spikeport.hardware_profiles.evidence import LEGEND, marked
from spikeport.hardware_profiles.what_if.rows import WhatIfRow

PRICED = {
    "synaptic_operations": "energy, Eq. 12 fused",
    "neuron_updates": "energy, neuron updates",
    "sum_of_known": "energy, sum of what is known",
}
"""Parts of the energy that are shown, and how a table calls them."""
ACCUMULATES = (
    "accumulates: a spike that crosses a non-zero synapse (Eq. 12); fused: pooling is part of the next kernel; relay: "
    "a pooled pixel is sent on once; area_ratio: the mean fan-out of a layer for each of its neurons (Eq. 11)"
)
MEANT = {
    "unrolled": "unrolled: every synapse of a convolution is stored",
    "shared": "shared: a kernel is stored once for the positions with the same weights",
    "layers": "layers: a whole layer on each core",
}
"""What the strategies of placement do."""
NONE = "-: the network does not fit, or the chip has no such placement"


def render(rows: Sequence[WhatIfRow]) -> str:
    """Return the rows as a text table; '-' where the network does not fit, or the chip has no such strategy.

    Below it stand what its columns mean, and the constants behind the marks of the energies, profile by profile.
    """
    energies = [row.energy.to_dict() for row in rows]
    strategies = list(dict.fromkeys(strategy for row in rows for strategy in row.cores))
    known = any(row.accuracy is not None for row in rows)
    cells = [
        (
            f"{row.variation}, {row.profile}",
            *([_accuracy(row)] if known else []),
            f"{row.spikes:,.0f}",
            *(f"{row.accumulates[mode]:,.0f}" for mode in MODES),
            *(f"{cores:,}" if (cores := row.cores.get(strategy)) else "-" for strategy in strategies),
            *(shown(energy, part) for part in PRICED),
        )
        for row, energy in zip(rows, energies, strict=True)
    ]
    modes = [f"accumulates, {mode}" for mode in MODES]
    cores_of = [f"cores, {strategy}" for strategy in strategies]
    header = (
        "per image",
        *(["accuracy"] if known else []),
        "spikes",
        *modes,
        *cores_of,
        *PRICED.values(),
    )
    names = dict.fromkeys(row.profile for row in rows)
    lines = [f"{name}: {keys}" for name in names if (keys := _behind([row for row in rows if row.profile == name]))]
    meant = [
        ACCUMULATES,
        *([f"cores: {'; '.join([*(MEANT[each] for each in strategies), NONE])}"] if strategies else []),
    ]
    return "\n".join((table(header, cells), "", *meant, *([LEGEND, *lines] if lines else [])))


def _accuracy(row: WhatIfRow) -> str:
    if row.accuracy is None:
        return "-"
    return f"{100 * row.accuracy:.1f} ± {100 * (row.accuracy_error or 0.0):.1f} %"


def _behind(rows: Sequence[WhatIfRow]) -> str:
    """Return the constants behind the marks of the energies that the table shows."""
    pairs = [(row.energy, part) for row in rows for part in PRICED]
    assumed = [key for energy, part in pairs for key in energy.assumed.get(part, ())]
    return marked(assumed, [key for energy, part in pairs for key in energy.scaled.get(part, ())])
