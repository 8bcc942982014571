"""Mutants of what counts in the kernels and compares the three counts."""

from tests.mutation.mutants import Mutant

TALLY, COUNTS = "export/engine/tally.py", "export/three_counts.py"
ARRIVES = ("tests/export/engine/test_tally.py",)
VERDICT = ("tests/hardware_profiles/report/test_result.py", "tests/hardware_profiles/report/test_build.py")
KERNELS = ("tests/export/engine/test_kernel_mutants.py",)
PARTS = ("tests/export/test_simulation.py::test_sampled_images_are_verified_in_parts_and_kept",)

MUTANTS = (
    Mutant(file=TALLY, old="(work.values[source] != 0).astype", new="work.values[source].astype", tests=ARRIVES),
    Mutant(file=TALLY, old="total - before", new="total", tests=ARRIVES),
    Mutant(file=TALLY, old="yield sums >> shift & (1 << DIGITS) - 1, 1 << shift", new="yield sums, 1", tests=ARRIVES),
    Mutant(file=TALLY, old="np.iinfo(kind).max)", new="np.iinfo(np.int64).max)", tests=ARRIVES),
    Mutant(file=TALLY, old="        _rest(real)\n", new="        pass\n", tests=ARRIVES),
    Mutant(file=TALLY, old="* times != active", new="* 0 != active * 0", tests=KERNELS),
    Mutant(file="export/engine/tables.py", old="ones = (item.weights != 0)", new="ones = item.weights", tests=ARRIVES),
    Mutant(file="export/engine/work.py", old="if hears.each or number + 1 == len(arriving):", new="if True:", tests=(
        "tests/export/executors/test_fast.py::test_every_shape_density_rate_and_batch",
    )),
    Mutant(file=COUNTS, old="if self.difference:", new="if self.difference > 0:", tests=VERDICT),
    Mutant(file=COUNTS, old="if self.reference_difference:", new="if False:", tests=VERDICT),
    Mutant(file=COUNTS, old="if self.neurons_different:", new="if False:", tests=KERNELS),
    Mutant(file=COUNTS, old="events.ravel() != arrived.ravel()", new="events.sum() != arrived.sum()", tests=KERNELS),
    Mutant(file=COUNTS, old="if self.neurons_miscounted:", new="if False:", tests=KERNELS),
    Mutant(file=COUNTS, old="(spikes, spikes[steps:])", new="(spikes, spikes[:0])", tests=VERDICT),
    Mutant(file="export/simulation.py", old="first=part.start == 0", new="first=True", tests=PARTS),
    Mutant(file="export/simulation.py", old="way.count, way.sampled, PART]", new="way.count, PART]", tests=PARTS),
)  # fmt: skip
