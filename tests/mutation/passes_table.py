"""Mutants of the passes."""

from tests.mutation.mutants import Mutant

STRUCTURE, RESIDUAL = ("tests/export/passes/test_passes.py",), ("tests/export/passes/test_residual.py",)
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
        file="export/passes/fold_pooling.py",
        old="return repeated / (size[0] * size[1])",
        new="return repeated / (size[0] * size[0])",
        tests=STRUCTURE,
    ),
    Mutant(
        file="export/passes/fold_pooling.py",
        old="synapses.padding[0] * size[0]",
        new="synapses.padding[0] + size[0]",
        tests=STRUCTURE,
    ),
    Mutant(
        file="export/passes/fold_pooling.py",
        old="_spread(_undilated(synapses), size)",
        new="_spread(synapses.weight, size)",
        tests=STRUCTURE,
    ),
    Mutant(
        file="export/passes/fold_synapses.py",
        old="first.stride[1] * second.stride[1]",
        new="first.stride[1]",
        tests=RESIDUAL,
    ),
    Mutant(
        file="export/passes/fold_synapses.py",
        old="and stage.padding == (0, 0) and",
        new="and",
        tests=RESIDUAL,
    ),
    Mutant(
        file="export/passes/fold_synapses.py",
        old="kernels[rows, group * inputs : (group + 1) * inputs]",
        new="kernels[rows, :inputs]",
        tests=RESIDUAL,
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
