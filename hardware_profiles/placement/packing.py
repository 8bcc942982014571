"""Blocks of several populations on one core, where together they break no rule.

Blocks are taken in order, the fullest first, and each goes to the first core where it fits, if that holds no other
block of its population (first fit decreasing). Every resource is the sum over the blocks: a source neuron that reaches
two blocks takes an axon for each, as each axon reads the lists of one projection. Only the synaptic memory is more
than the sum, where an index needs more bits to tell all neurons of the core apart.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from spikeport.export.network import Array
from spikeport.hardware_profiles.limits import CoreUse, first_violation
from spikeport.hardware_profiles.placement.block_memory import index_bits
from spikeport.hardware_profiles.placement.block_use import BlockUse
from spikeport.hardware_profiles.placement.results import Block, Core
from spikeport.hardware_profiles.profile import HardwareProfile


class Packing:
    """Packs the blocks of one placement; ``blocks`` counts what they use."""

    def __init__(self, blocks: BlockUse, profile: HardwareProfile) -> None:
        self.blocks, self.profile, self.encoding = blocks, profile, blocks.encoding
        self.bits: dict[tuple[Block, int], int] = {}

    def pack(self, alone: Sequence[Core]) -> tuple[Core, ...]:
        """Return cores for what lies on cores alone, never more, in the order of their first blocks."""
        shares = self._shares(alone)
        order = np.argsort(-shares.max(axis=1), kind="stable")
        filled = np.zeros_like(shares)
        members: list[list[int]] = [[] for _ in alone]
        cores: list[Core] = []
        for number in order.tolist():
            fitting = np.flatnonzero((filled[: len(cores)] + shares[number] <= 1 + 1e-9).all(axis=1)).tolist()
            for core in fitting:
                joined = self._joined(cores[core], alone[number])
                if joined is not None:
                    cores[core] = joined
                    break
            else:
                core = len(cores)
                cores.append(alone[number])
            filled[core] += shares[number]
            members[core].append(number)
        first = [min(each) for each in members if each]
        return tuple(self._in_order(cores[core], members[core], alone) for core in np.argsort(first))

    def _shares(self, alone: Sequence[Core]) -> Array:
        """Return what share every block takes of every resource that has a limit, (blocks, resources)."""
        limits = {
            name: limit for name in CoreUse.__dataclass_fields__ if (limit := getattr(self.profile.limits, name, None))
        }
        return np.array(
            [[getattr(core.use, name) / max(c.value, 1e-9) for name, c in limits.items()] for core in alone]
        )

    def _joined(self, core: Core, block: Core) -> Core | None:
        """Return a core with a block added, or None where a rule breaks or its population is there."""
        if block.blocks[0].population in core.populations:
            return None
        blocks = (*core.blocks, *block.blocks)
        uses = asdict(core.use), asdict(block.use)
        use = CoreUse(**{name: uses[0][name] + uses[1][name] for name in uses[0]})
        use = self._with_memory(use, blocks)
        return None if first_violation(self.profile, use) else Core(blocks=blocks, use=use)

    def _with_memory(self, use: CoreUse, blocks: tuple[Block, ...]) -> CoreUse:
        """Return the use of a core with the memory of its lists, whose indices tell all its neurons apart."""
        synaptic = -(-sum(self._bits(block, use.neurons) for block in blocks) // 8)
        state, entry = int(self.encoding.neuron_state.value), int(self.encoding.input_axon_entry.value)
        core = synaptic + use.neurons * state + use.input_axons * entry
        return replace(use, synaptic_memory=synaptic, core_memory=core)

    def _bits(self, block: Block, neurons: int) -> int:
        key = (block, int(index_bits(self.encoding, np.array([neurons]))[0]))
        if key not in self.bits:
            place = (block.channels, block.rows, block.columns)
            self.bits[key] = self.blocks.bits(block.population, *place, neurons)
        return self.bits[key]

    def _in_order(self, core: Core, members: list[int], alone: Sequence[Core]) -> Core:
        return replace(core, blocks=tuple(alone[number].blocks[0] for number in sorted(members)))
