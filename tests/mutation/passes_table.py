"""Mutants of the passes."""

from tests.mutation.mutants import Mutant

STRUCTURE, RESIDUAL = ("tests/export/passes/test_passes.py",), ("tests/export/passes/test_residual.py",)
CHAINS = ("tests/export/passes/test_fold_synapses.py", "tests/export/test_composition.py")
STAGES = ("tests/export/nir_import/test_stages.py",)
NEURONS = ("tests/export/passes/test_normalize_neurons.py",)
BALANCE = ("tests/export/passes/test_residual.py::test_relays_are_shared_and_as_many_as_steps_are_missing",)

MUTANTS = (
    Mutant(
        file="export/passes/fold_normalization.py",
        old="stages[-1] = _scaled_outputs(synapses, stage.scale)",
        new="stages[-1] = synapses",
        tests=STRUCTURE,
    ),
    Mutant(
        file="export/passes/fold_normalization.py",
        old="np.any(population.neuron.decay_current < 1)",
        new="np.any(population.neuron.decay_current < 0)",
        tests=STRUCTURE,
    ),
    Mutant(
        file="export/passes/fold_normalization.py",
        old="stage.scale if before is None else before * stage.scale",
        new="stage.scale",
        tests=STRUCTURE,
    ),
    Mutant(
        file="export/composition.py",
        old="_pair(p + s * q for p, s, q in",
        new="_pair(p + q for p, s, q in",
        tests=CHAINS,
    ),
    Mutant(
        file="export/composition.py",
        old="canonical(products[-1], shape, outputs) if exact else None",
        new="canonical(products[-1], shape, outputs)",
        tests=CHAINS,
    ),
    Mutant(
        file="export/composition.py",
        old="np.any((reached >= 0) & (reached < side))",
        new="np.any((reached >= 0) & (reached < side - 1))",
        tests=CHAINS,
    ),
    Mutant(
        file="export/composition.py",
        old="last - side + 1 + span,",
        new="last - side + span,",
        tests=CHAINS,
    ),
    Mutant(
        file="export/composition.py",
        old="dilation = math.gcd(inner * (sizes[0] > 1), outer * (sizes[1] > 1)) or 1",
        new="dilation = 1",
        tests=CHAINS,
    ),
    Mutant(
        file="export/composition.py",
        old="if np.any(np.abs(here - found) > tolerance, where=known[place]):",
        new="if False:",
        tests=CHAINS,
    ),
    Mutant(
        file="export/passes/fold_synapses.py",
        old="replace(stage, weight=stage.weight / divisor)",
        new="stage",
        tests=CHAINS,
    ),
    Mutant(
        file="export/passes/fold_synapses.py",
        old="return found if found and found.weight.size <= matrix else None",
        new="return found",
        tests=CHAINS,
    ),
    Mutant(
        file="export/passes/fold_normalization.py",
        old="elif isinstance(stage, Reshape) and before is not None:",
        new="elif False:",
        tests=CHAINS,
    ),
    Mutant(
        file="export/nir_import/stages.py",
        old="start, end = max(start, batch), max(end, batch)",
        new="start, end = max(start, batch), end",
        tests=STAGES,
    ),
    Mutant(
        file="export/nir_import/stages.py",
        old="if not batch and any(",
        new="if any(",
        tests=STAGES,
    ),
    Mutant(
        file="export/passes/expand_paths.py",
        old="delay = first.delay + last.delay",
        new="delay = first.delay",
        tests=RESIDUAL,
    ),
    Mutant(
        file="export/passes/expand_paths.py",
        old="if index == 0 else unshifted(last)",
        new="",
        tests=RESIDUAL,
    ),
    Mutant(
        file="export/passes/expand_max_pooling.py",
        old="key = (projection.source, stage.size, stage.stride, stage.padding)",
        new="key = (projection.source, stage.size, stage.stride, (0, 0))",
        tests=RESIDUAL,
    ),
    Mutant(
        file="export/passes/balance_delays.py",
        old="if slack > 0 and projection.delay == 0",
        new="if slack > 1 and projection.delay == 0",
        tests=BALANCE,
    ),
    Mutant(
        file="export/passes/balance_delays.py",
        old="and not isinstance(source.neuron, Source)",
        new="",
        tests=BALANCE,
    ),
    Mutant(
        file="export/passes/normalize_neurons.py",
        old="neuron.bias - neuron.decay_potential * neuron.start",
        new="neuron.bias + neuron.decay_potential * neuron.start",
        tests=NEURONS,
    ),
    Mutant(
        file="export/passes/normalize_neurons.py",
        old="and neuron.most == 1:",
        new=":",
        tests=NEURONS,
    ),
)
