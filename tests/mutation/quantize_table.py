"""Mutants of the quantizer and of the proof."""

from tests.mutation.mutants import Mutant

QUANTIZE, REACH = "export/quantize.py", "export/reach.py"
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
        file=QUANTIZE,
        old="return self.done is not None and self.excess <= 1",
        new="return self.done is not None",
        tests=TESTS,
    ),
    Mutant(
        file=QUANTIZE,
        old="np.rint(part * scale * 2.0**-exponent), -most, most",
        new="np.floor(part * scale * 2.0**-exponent), -most, most",
        tests=TESTS,
    ),
    Mutant(file=QUANTIZE, old="    smallest = min((", new="    smallest = max((", tests=TESTS),
    Mutant(file=QUANTIZE, old="return math.floor(scale * grid * ROUNDING) / grid", new="return scale", tests=TESTS),
    Mutant(file=REACH, old="hard else threshold + 1 - removed", new="hard else threshold - removed", tests=PROOF),
    Mutant(file=REACH, old="np.minimum(a_low, now.lowest), a_low)", new="a_low, a_low)", tests=PROOF),
    Mutant(file=REACH, old="np.maximum(now.threshold, np.where(", new="np.minimum(FAR, np.where(", tests=PROOF),
    Mutant(file=REACH, old="fires, hard = a_high > now.threshold,", new="fires, hard = a_high > 64,", tests=PROOF),
    Mutant(file=REACH, old="np.minimum(alike, self.left - 1), 0)", new="np.minimum(alike, self.left), 0)", tests=PROOF),
    Mutant(file=REACH, old="(u_low == now.u_low) & (u_high", new="(u_high == now.u_high) & (u_high", tests=PROOF),
    Mutant(file=REACH, old="a_high - now.removed - now.threshold)", new="a_high - now.threshold)", tests=PROOF),
    Mutant(file=REACH, old="change_high == 0, FAR", new="change_high >= 0, FAR", tests=PROOF),
)
