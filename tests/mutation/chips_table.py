"""Mutants of the formats of chips: the accumulator's proof, the rules of a target, the verdict on a chip."""

from tests.mutation.mutants import Mutant

PROOF, RULES, QUANTIZE = "export/bounds.py", "export/target_rules.py", "export/quantize.py"
FORMATS, CHIPS, NEURONS = (f"hardware_profiles/{name}.py" for name in ("chip_formats", "chips", "neuron_rules"))
RULED = ("tests/export/test_target_rules.py",)
QUANTIZED = ("tests/export/test_quantize.py",)
VERDICT = ("tests/hardware_profiles/test_chips.py",)
JOINED = ("tests/export/test_targets.py",)
BOUNDS = ("tests/export/test_bounds.py",)
PLACED = ("tests/hardware_profiles/placement/test_block_use.py",)


def mutant(file: str, old: str, new: str, tests: tuple[str, ...]) -> Mutant:
    """Return a mutant."""
    return Mutant(file=file, old=old, new=new, tests=tests)


MUTANTS = (
    # the accumulator: excitation and inhibition apart, after the shift, over all projections, with all levels
    mutant(PROOF, "np.maximum, full).reshape(high.shape)", "np.add, full).reshape(high.shape)", RULED),
    mutant(PROOF, "int(high.max()) << ACTIVATION_SHIFT", "int((low + high).max()) << ACTIVATION_SHIFT", RULED),
    mutant(PROOF, "(int(low.min()) << ACTIVATION_SHIFT", "(int((low + high).min()) << ACTIVATION_SHIFT", RULED),
    mutant(PROOF, "int(high.max()) << ACTIVATION_SHIFT", "int(high.max())", RULED),
    mutant(PROOF, "int(high.max()) << ACTIVATION_SHIFT", "int(high.mean()) << ACTIVATION_SHIFT", RULED),
    mutant(PROOF, "        high += _sum_of_part(", "        high = _sum_of_part(", RULED),
    mutant(PROOF, "bounds.u_max + found.bias[1]", "bounds.u_max", RULED),
    mutant(PROOF, "(*found.sums, target.accumulator)", "(0, 0, target.accumulator)", QUANTIZED),
    mutant(PROOF, "np.inf if register.least < low else 0.0", "0.0", BOUNDS),
    # the rules of a target
    mutant(RULES, "step = min(shift, most)", "step = most", RULED),
    mutant(RULES, "step = min(shift, most)", "step = shift", RULED),
    mutant(RULES, "-1 << (target.weight_bits - 1)", "1 - (1 << (target.weight_bits - 1))", RULED),
    mutant(RULES, "if shift < least and (low or high):", "if False:", RULED),
    mutant(RULES, "if waits > target.delay:", "if waits >= target.delay:", RULED),
    mutant(RULES, "short = network.network.with_short_delays()", "short = network.network", RULED),
    mutant(RULES, "waits = short.slack(projection, depths)", "waits = projection.delay", RULED),
    mutant(RULES, "trailing + projection.exponent", "projection.exponent", RULED),
    mutant(
        RULES, "return max(self.holds[0] - self.found[0], self", "return min(self.holds[0] - self.found[0], self", RULED
    ),
    # the quantizer keeps to them
    mutant(QUANTIZE, "    scale *= _above_least(population, scale, target)\n", "", QUANTIZED),
    mutant(QUANTIZE, "    check_decays(population, target)\n", "", QUANTIZED),
    mutant(QUANTIZE, "        _check_target(integer, target)\n", "        pass\n", QUANTIZED),
    mutant(QUANTIZE, "target.bias_mantissa, target.bias_exponent)", "exponents=target.bias_exponent)", QUANTIZED),
    mutant(
        QUANTIZE,
        "registers(population.name, integer.neuron, found, target)",
        "registers(population.name, integer.neuron, found)",
        QUANTIZED,
    ),
    mutant(
        "export/targets.py",
        "(max(one[0], other[0]), min(one[-1], other[-1]))",
        "(min(one[0], other[0]), max(one[-1], other[-1]))",
        JOINED,
    ),
    # from a profile, and the verdict on a chip
    mutant(FORMATS, "(1 << int(width.value)) - 1)", "(1 << int(width.value)))", VERDICT),
    mutant(FORMATS, "_span(f.weight_exponent, above=1)", "_span(f.weight_exponent)", VERDICT),
    mutant(FORMATS, "(max(lava[0], chip[0]), min(lava[1], chip[1]))", "chip", VERDICT),
    mutant(CHIPS, "if missing and any(True for _ in rule(examined, TRIVIAL)):", "if missing:", VERDICT),
    mutant(CHIPS, "if missing and any(True for _ in rule(examined, TRIVIAL)):", "if False:", VERDICT),
    mutant(CHIPS, "rule(examined, target) if entry is not None else ()", "rule(examined, target)", VERDICT),
    mutant(CHIPS, "    return bits > stored\n", "    return False\n", VERDICT),
    mutant(
        "hardware_profiles/verdicts.py",
        "False if self.failures else None if self.unknown",
        "False if self.failures else True if self.unknown",
        VERDICT,
    ),
    mutant("hardware_profiles/verdicts.py", "if self.asked and self.failures:", "if self.failures:", VERDICT),
    mutant(NEURONS, "neuron.refractory > most", "neuron.refractory >= most", VERDICT),
    mutant(NEURONS, "np.any(neuron.floor > REGISTERS", "np.any(neuron.floor >= REGISTERS", VERDICT),
    mutant(NEURONS, "neuron.threshold is not None and neuron.inclusive", "False", VERDICT),
    mutant("hardware_profiles/encoding.py", "min(waits.bit_length(), int(most.value))", "0", PLACED),
)
