"""Mutants of counting, placement, load, latency, energy, what-if and the report's verdict."""

from tests.mutation.mutants import Mutant

PRODUCT, TESTS = "hardware_profiles/", "tests/hardware_profiles/"
COUNTER = (TESTS + "counting/test_counter.py",)
BLOCKS = (TESTS + "placement/test_block_fan_out.py",)
MEMORY = (TESTS + "placement/test_block_memory.py",)
USE = (TESTS + "placement/test_block_use.py",)
SEARCH = (TESTS + "placement/test_search.py",)
PLACE = (TESTS + "placement/test_place.py",)
LIMITS = (TESTS + "test_limits.py",)
CUTS = (TESTS + "placement/test_cuts.py",)
LAYERS = (TESTS + "test_layer_placement.py",)
PARTING = (TESTS + "placement/test_parting.py",)
PACKING = (TESTS + "placement/test_packing.py",)
NUMBERING = (TESTS + "placement/test_numbering.py",)
LOAD = (TESTS + "test_load.py",)
ENERGY = (TESTS + "test_energy.py",)
LATENCY = (TESTS + "test_latency.py",)
STEPS = (TESTS + "test_chip_steps.py",)
ENCODING = (TESTS + "test_encoding.py",)
PROFILE = (TESTS + "test_profile.py",)
WHAT_IF = (TESTS + "what_if/test_what_if.py",)
VERDICT = (TESTS + "report/test_result.py",)
BUILD = (TESTS + "report/test_build.py",)


def mutant(file: str, old: str, new: str, tests: tuple[str, ...]) -> Mutant:
    """Return a mutant of a file of hardware_profiles."""
    return Mutant(file=PRODUCT + file, old=old, new=new, tests=tests)


COUNTING = (
    Mutant(file="export/geometry.py", old="(output < target)", new="(output <= target)", tests=COUNTER),
    Mutant(file="export/geometry.py", old="(rest == 0) & (output >= 0)", new="(rest == 0)", tests=COUNTER),
    mutant("counting/fan_outs.py", "windows.any(axis=(3, 5)).sum", "windows.sum(axis=(3, 5)).sum", COUNTER),
    mutant("counting/fan_outs.py", "            self.relay = fan_out(", "            self.ignored = fan_out(", COUNTER),
    mutant("counting/fan_outs.py", "* outputs * kernel * density", "* outputs * kernel", COUNTER),
    Mutant(file="export/three_counts.py", old="source.levels > 1", new="source.levels > 255", tests=COUNTER),
    mutant("counting/counter.py", "if not fan_outs.graded:", "if True:", COUNTER),
    mutant("counting/counter.py", "(neurons * images * self.network.steps)", "(neurons * images)", COUNTER),
    mutant(
        "counting/results.py",
        "sum(layer.formula for layer in self.layers if not layer.graded)",
        "sum(layer.formula for layer in self.layers)",
        BUILD,
    ),
    Mutant(
        file="export/crossings.py",
        old="{network.source.name: step.source != 0}",
        new="{network.source.name: step.source}",
        tests=COUNTER,
    ),
)
PLACEMENT = (
    mutant("placement/block_fan_out.py", "(sources >= 0) & (sources < side)", "sources < side", BLOCKS),
    mutant("placement/block_fan_out.py", "self.kernel is not None and self.target.positions > 1", "False", MEMORY),
    mutant(
        "placement/block_fan_out.py",
        "full[target[:, None], results,",
        "full[target[:, None], results * 0,",
        BLOCKS,
    ),
    mutant("placement/block_use.py", "used * self.parts_of[fan_out.projection.source][sources]", "used", USE),
    mutant("placement/block_use.py", "each[0] * self.slots", "each[0]", USE),
    mutant("placement/block_use.py", "synaptic = -(-bits // 8)", "synaptic = bits // 8", USE),
    mutant("placement/block_use.py", ' + uses["input_axons"] * entry', "", USE),
    mutant("placement/block_use.py", "[neuron.decay_u, neuron.decay_v]", "[neuron.decay_v, neuron.decay_v]", USE),
    mutant("placement/block_use.py", "repeated = fan_out.pool[0] * fan_out.pool[1]", "repeated = 1", USE),
    mutant(
        "placement/block_use.py",
        "if self.shares(fan_out) else fan_out.synapses\n",
        "if self.shares(fan_out) else 2 * fan_out.synapses\n",
        USE,
    ),
    mutant("placement/search.py", "edges[:-1]) + sums[-1, n]", "edges[:-1])", USE),
    mutant("placement/block_memory.py", "if kernel.dilation[1] > 1:", "if kernel.dilation[1] > 2:", MEMORY),
    mutant("placement/block_memory.py", "np.min(ways, axis=0)", "np.max(ways, axis=0)", MEMORY),
    mutant("placement/block_memory.py", "np.maximum(neurons - 1, 0)", "neurons", PACKING),
    mutant("placement/block_memory.py", "np.arange(0, stride, pool)", "np.arange(0, stride)", MEMORY),
    mutant("placement/block_memory.py", "// pool, pool, span", ", 1, span", MEMORY),
    mutant("placement/search.py", "if cost < least:", "if cost > least:", SEARCH),
    mutant("placement/search.py", "len(order)) <= order[name]", "len(order)) < order[name]", SEARCH),
    mutant("placement/search.py", "range(ROUNDS)", "range(1)", SEARCH),
    mutant("placement/parting.py", "- taken", "- 0 * taken", SEARCH),
    mutant("placement/parting.py", "max()) <= int(limit.value) for", "max()) <= int(limit.value) + 1 for", SEARCH),
    mutant(
        "placement/runs.py", "each.takes(rows, columns, channels", "0 * each.takes(rows, columns, channels", PARTING
    ),
    mutant("placement/loops.py", "if before == 0 or before + one == 0:", "if before == 0:", PARTING),
    mutant("placement/packing.py", "if block.blocks[0].population in core.populations:", "if False:", PACKING),
    mutant("placement/packing.py", "self._bits(block, use.neurons)", "self._bits(block, 1)", PACKING),
    mutant("placement/packing.py", "np.argsort(-shares.max(axis=1)", "np.argsort(0 * shares.max(axis=1)", PACKING),
    mutant("placement/traffic.py", "home[used]", "home[used * 0 == 0]", NUMBERING),
    mutant("placement/numbering.py", "(sent + sent.T)", "(sent)", NUMBERING),
    mutant("placement/numbering.py", "- 2 * between <= 0", "- 0 * between <= 0", NUMBERING),
    mutant("placement/loops.py", "+ 2 * flow[i, j] * hops[at, to]", "", NUMBERING),
    mutant(
        "placement/mesh.py", "core // CORES_PER_TILE, TILES_PER_ROW", "core // CORES_PER_TILE, CORES_PER_TILE", LOAD
    ),
    mutant(
        "placement/cuts.py",
        "* math.ceil(width / columns) <= neurons",
        "* (width // columns) <= neurons",
        CUTS,
    ),
    mutant(
        "placement/results.py",
        "max(self.numbers) // self.cores_per_chip + 1",
        "len(self.numbers) // self.cores_per_chip + 1",
        PLACE,
    ),
    mutant("placement/__init__.py", "best = min(placed,", "best = max(placed,", PLACE),
    mutant(
        "encoding.py", "part = -(-(header + rest * entry) // word) * word", "part = header + rest * entry", ENCODING
    ),
    mutant("encoding.py", "np.where(rest > 0, full * whole + part, full * whole)", "full * whole + part", ENCODING),
    mutant("encoding.py", "(-least - 1).bit_length()", "(-least).bit_length()", ENCODING),
    mutant("encoding.py", "total - stored // longest + lead // longest", "total", ENCODING),
    mutant("encoding.py", "return 8 if bits == 7 else bits", "return bits", ENCODING),
    mutant("limits.py", "self.used > self.available", "self.used >= self.available", LIMITS),
    mutant("layer_placement.py", "grid.channels << (_bits(grid.height) + _bits(grid.width))", "grid.neurons", LAYERS),
    mutant("layer_placement.py", "layer.neuron_words <= n for", "True for", LAYERS),
)
COSTS = (
    mutant(
        "load.py",
        "exact = np.float32 if synapses.sum(axis=1).max() < 2**24 else np.float64",
        "exact = np.float32",
        LOAD,
    ),
    mutant("load.py", "cores[first : first + len(counts)]", "cores[: len(counts)]", LOAD),
    mutant("load.py", "on_chip = sent * (start[0] == end[0])", "on_chip = sent", LOAD),
    mutant(
        "load.py",
        "(0 if fan_out in self.graded else sent)",
        "sent",
        LOAD,
    ),
    mutant("load.py", "operations_max=operations.max(axis=0)", "operations_max=operations.min(axis=0)", LOAD),
    mutant("latency.py", "stacked.max(axis=0) + synchronisation", "stacked.sum(axis=0) + synchronisation", LATENCY),
    mutant("latency.py", "min(len(placement.cores), placement.cores_per_chip)", "len(placement.cores)", LATENCY),
    mutant("latency.py", 'return "estimate" if self.not_minimum', 'return "estimate" if self.scaled', LATENCY),
    mutant("evidence.py", ' and constant.stated_as == "minimum"', "", LATENCY),
    mutant(
        "evidence.py",
        ' and constant.stated_as == "minimum" and constant.reading is None',
        ' and constant.stated_as == "minimum"',
        LATENCY,
    ),
    mutant(
        "evidence.py",
        'each.evidence == "assumed" or each.reading',
        'each.evidence == "assumed" and each.reading',
        LATENCY,
    ),
    mutant(
        "chip_steps.py",
        "self.depths[fan_out.projection.source], []",
        "self.depths[fan_out.projection.target], []",
        STEPS,
    ),
    mutant(
        "chip_steps.py", "self.steps + max(self.depths.values())", "self.steps + 1 + max(self.depths.values())", STEPS
    ),
    mutant(
        "chip_steps.py", "network.steps + max((projection.delay", "network.steps + 0 * max((projection.delay", STEPS
    ),
    mutant(
        "chip_steps.py",
        '("accumulate_shared",) if number in self.placement.shared',
        '("accumulate_shared",) if False',
        STEPS,
    ),
    mutant("chip_steps.py", "(synapses > 0).T", "synapses.T", STEPS),
    mutant("chip_steps.py", "(self.firing - self.update) * firing", "self.firing * firing", STEPS),
    mutant("chip_steps.py", "constant_values=idle).ravel(), depth)", "constant_values=idle).ravel(), -depth)", STEPS),
    mutant(
        "chip_steps.py",
        "sent[:, rows, columns] += (counts > 0).sum(axis=0)",
        "sent[:, rows, columns] += (counts > 0).any(axis=0)",
        STEPS,
    ),
    mutant(
        "core_stages.py",
        "total = sum(shifted(trace, depth, 0.0) for depth, trace in parts)",
        "total = max((shifted(trace, depth, 0.0) for depth, trace in parts), key=np.sum)",
        STEPS,
    ),
    mutant("core_stages.py", "total + self.idle[core]", "total", STEPS),
    mutant("counting/results.py", "of_input + of_input // self.steps", "of_input + of_input", ENERGY),
    mutant("counting/results.py", "layer.graded and layer.source not in targets", "layer.graded", ENERGY),
    mutant("energy.py", "(own or constants.accumulate)", "constants.accumulate", ENERGY),
    mutant("energy.py", "- firing) * inactive.value", ") * inactive.value", ENERGY),
    mutant("energy.py", "power.value * placement.chips", "power.value", ENERGY),
    mutant("energy.py", '"static": watt * time.interval', '"static": watt * time.latency', ENERGY),
    mutant("energy.py", "counts.first_layer_macs_host / images", "counts.first_layer_macs / images", ENERGY),
    mutant("energy.py", 'part.removesuffix("_alone").removesuffix("_all_active")', "part", ENERGY),
    mutant("energy.py", 'of_time if part.startswith("static") else ()', "()", ENERGY),
    mutant(
        "energy.py",
        "(profile.energy.hop_vertical, profile.energy.hop_horizontal)",
        "(profile.energy.hop_horizontal, profile.energy.hop_vertical)",
        ENERGY,
    ),
    mutant("energy.py", "layer.operations(mode)", 'layer.operations("fused")', ENERGY),
    mutant("energy.py", '"spike_traffic", "first_layer_host", "static")', '"spike_traffic", "static")', ENERGY),
    mutant("profile.py", "not least <= value <= most", "value < least or value > most", PROFILE),
    mutant("profile.py", "max(names, key=names.count)", "names[0]", PROFILE),
    mutant("what_if/variations.py", "[..., ::rows, ::columns].copy()", ".copy()", WHAT_IF),
    mutant(
        "what_if/variations.py",
        "np.abs(weight.astype(np.int16 if weight.dtype == np.int8 else np.float64))",
        "np.abs(weight)",
        WHAT_IF,
    ),
    mutant(
        "what_if/variations.py",
        "math.floor(sparsity * weight.size)",
        "math.floor(sparsity * weight.size) // 2",
        WHAT_IF,
    ),
    mutant("what_if/variations.py", "replace(stimulus, steps=steps)", "stimulus", WHAT_IF),
    mutant("what_if/rows.py", "best = [min(placed", "best = [max(placed", WHAT_IF),
    mutant("report/result.py", "if self.network.proven is False:", "if False:", VERDICT),
    mutant("report/result.py", 'if compared["mismatches"]:', 'if compared["mismatches"] > 1:', VERDICT),
    mutant("report/result.py", "yield from self.operations.verification.reasons", "yield from ()", VERDICT),
    mutant(
        "report/build.py",
        '_ratio(other.total("area_ratio"), counts.total("fused"))',
        '_ratio(other.total("area_ratio"), counts.total("area_ratio"))',
        BUILD,
    ),
    mutant(
        "report/build.py",
        "_ratio(other.total(mode), counts.total(mode))",
        "_ratio(counts.total(mode), other.total(mode))",
        BUILD,
    ),
)
MUTANTS = (*COUNTING, *PLACEMENT, *COSTS)
