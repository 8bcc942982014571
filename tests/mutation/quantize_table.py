"""Mutants of the quantizer and of the proof."""

from tests.mutation.mutants import Mutant

QUANTIZE, BOUNDS = "export/quantize.py", "export/bounds.py"
TESTS = ("tests/export/test_quantize.py",)
PROOF = ("tests/export/test_bounds.py",)

SEARCH, SEARCHED = "export/scale_search.py", ("tests/export/test_scale_search.py",)

MUTANTS = (
    Mutant(file=SEARCH, old="    return reached\n", new="    return {name}\n", tests=SEARCHED),
    Mutant(file=SEARCH, old="    known.update(best.record)\n", new="    known.update(trial.record)\n", tests=SEARCHED),
    Mutant(file=SEARCH, old="trial.error < best.error", new="trial.error <= best.error", tests=SEARCHED),
    Mutant(file=QUANTIZE, old="np.ceil(tidy) - 1 if inclusive", new="np.ceil(tidy) if inclusive", tests=TESTS),
    Mutant(file=QUANTIZE, old="else np.floor(tidy))", new="else np.ceil(tidy))", tests=TESTS),
    Mutant(
        file=QUANTIZE, old="if candidate is not None and excess <= 1:", new="if candidate is not None:", tests=TESTS
    ),
    Mutant(
        file=QUANTIZE,
        old="np.rint(part * scale * 2.0**-exponent), -most, most",
        new="np.floor(part * scale * 2.0**-exponent), -most, most",
        tests=TESTS,
    ),
    Mutant(file=QUANTIZE, old="    smallest = min((", new="    smallest = max((", tests=TESTS),
    Mutant(file=QUANTIZE, old="return math.floor(scale * grid * ROUNDING) / grid", new="return scale", tests=TESTS),
    Mutant(
        file=BOUNDS,
        old="lowest, highest = threshold + 1 - removed",
        new="lowest, highest = threshold - removed",
        tests=PROOF,
    ),
    Mutant(file=BOUNDS, old="np.minimum(now.v_low, lowest)", new="now.v_low", tests=PROOF),
    Mutant(file=BOUNDS, old="np.maximum(threshold, highest)", new="highest", tests=PROOF),
    Mutant(file=BOUNDS, old="now.v_high > threshold", new="now.v_high > threshold + 64", tests=PROOF),
)
