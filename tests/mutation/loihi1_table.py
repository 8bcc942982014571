"""Mutants of Loihi 1's registers, and of the definition beside two emulators of the chip."""

from tests.mutation.mutants import Mutant

REGISTERS, TESTS = "export/loihi1.py", ("tests/export/test_loihi1.py",)
FORMAT, FILE = "export/formats/loihi1.py", ("tests/export/formats/test_loihi1.py",)
EMULATORS = ("tests/oracles/test_loihi_emulators.py",)
REFERENCE, FIXED = "export/executors/reference.py", "export/fixed_point.py"

MUTANTS = (
    Mutant(file=REGISTERS, old="(-256, 254)", new="(-255, 255)", tests=TESTS),
    Mutant(file=REGISTERS, old="most << (up + 1) <= high", new="most << up <= high", tests=TESTS),
    Mutant(
        file=REGISTERS,
        old="exponent = projection.exponent - ups[mode]",
        new="exponent = projection.exponent",
        tests=TESTS,
    ),
    Mutant(file=REGISTERS, old="8 - dropped + (mode", new="8 - dropped - (mode", tests=TESTS),
    Mutant(file=REGISTERS, old="neuron.decay_u - 1,", new="neuron.decay_u,", tests=TESTS),
    Mutant(file=REGISTERS, old="neuron.bias_exponent + smallest", new="neuron.bias_exponent", tests=TESTS),
    Mutant(file=REGISTERS, old="2**15 - 1)", new="2**15 + 255)", tests=TESTS),
    Mutant(file=REGISTERS, old="LONGEST_DELAY = 62", new="LONGEST_DELAY = 63", tests=TESTS),
    Mutant(file=REGISTERS, old="or most > ACCUMULATOR[1]", new="or least + most > ACCUMULATOR[1]", tests=TESTS),
    Mutant(file=FORMAT, old="network.slack(projection, depths)}", new="projection.delay}", tests=FILE),
    Mutant(file=FORMAT, old='"start": depths[p.name]', new='"start": 1', tests=FILE),
    Mutant(file=REFERENCE, old="state.v > neuron.level", new="state.v >= neuron.level", tests=EMULATORS),
    Mutant(file=REFERENCE, old="state.u + bias)", new="bias)", tests=EMULATORS),
    Mutant(
        file=FIXED,
        old="np.sign(product) * (np.abs(product) >> DECAY_SHIFT)",
        new="product >> DECAY_SHIFT",
        tests=EMULATORS,
    ),
    Mutant(file=FIXED, old="np.clip(value, -POTENTIAL_LIMIT, POTENTIAL_LIMIT)", new="value", tests=EMULATORS),
)
