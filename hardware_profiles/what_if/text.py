"""A what-if table as text."""

from collections.abc import Sequence

from spikeport.hardware_profiles.columns import joule, table
from spikeport.hardware_profiles.counting import MODES
from spikeport.hardware_profiles.what_if.rows import WhatIfRow


def render(rows: Sequence[WhatIfRow]) -> str:
    """Return the rows as a text table; '-' where the network does not fit, or the chip has no such strategy."""
    strategies = list(dict.fromkeys(strategy for row in rows for strategy in row.cores))
    cells = [
        (
            f"{row.variation}, {row.profile}",
            f"{row.spikes:,.0f}",
            *(f"{row.accumulates[mode]:,.0f}" for mode in MODES),
            *(f"{cores:,}" if (cores := row.cores.get(strategy)) else "-" for strategy in strategies),
            joule(row.energy.synaptic_operations),
            joule(row.energy.neuron_updates),
        )
        for row in rows
    ]
    modes = [f"Eq. 12 {mode}" for mode in MODES]
    cores_of = [f"cores {strategy}" for strategy in strategies]
    return table(("per image", "spikes", *modes, *cores_of, "Eq. 12 fused, uJ", "neuron updates, uJ"), cells)
