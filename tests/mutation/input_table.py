"""Mutants of images as biases and as spikes: registers, every executor, the proof, the host's part, the encoders."""

from tests.mutation.mutants import Mutant

REGISTERS, FORM, PROOF, WORK = "export/biases.py", "export/bias_form.py", "export/bounds.py", "export/engine/work.py"
ONNX, HOST, CODING = "export/formats/onnx.py", "hardware_profiles/host.py", "export/stimulus/coding.py"
ENCODERS = ("poisson", "latency", "phase", "phase_bits", "rsc")
POISSON, LATENCY, PHASE, BITS, SMOOTHING = (f"export/stimulus/encoders/{name}.py" for name in ENCODERS)
NEAREST = ("tests/export/test_biases.py",)
FORMS = ("tests/export/test_bias_form.py",)
REPORTED = ("tests/hardware_profiles/test_host.py",)
ENCODED = ("tests/export/stimulus/test_encoders.py",)
WAYS = ("tests/export/test_input_as.py",)


def mutant(file: str, old: str, new: str, tests: tuple[str, ...]) -> Mutant:
    """Return a mutant."""
    return Mutant(file=file, old=old, new=new, tests=tests)


MUTANTS = (
    # the nearest value of the registers
    mutant(REGISTERS, "((1 << exponent) >> 1)", "0", NEAREST),
    mutant(REGISTERS, "np.searchsorted(REACHES, size)", 'np.searchsorted(REACHES, size, side="right")', NEAREST),
    mutant(REGISTERS, "np.minimum((size", "np.maximum((size", NEAREST),
    mutant(REGISTERS, "(projection.exponent + ACTIVATION_SHIFT)", "ACTIVATION_SHIFT", NEAREST),
    mutant(REGISTERS, "np.broadcast_to(own_bias(population.neuron),", "np.broadcast_to(np.int64(0),", NEAREST),
    # executors and the proof
    mutant(
        WORK, "(1, 2, 3, 0) if layer.planes else (0, 2, 3, 1)", "(1, 3, 2, 0) if layer.planes else (0, 2, 3, 1)", FORMS
    ),
    mutant(
        WORK, "(1, 2, 3, 0) if layer.planes else (0, 2, 3, 1)", "(1, 2, 3, 0) if layer.planes else (0, 3, 2, 1)", FORMS
    ),
    mutant(ONNX, '"Greater", size', '"GreaterOrEqual", size', FORMS),
    mutant(ONNX, 'body.add("Add", size, half)', "size", FORMS),
    mutant(PROOF, "biases.nearest(high).values", "biases.nearest(low).values", FORMS),
    # rounding counted, and the host's part
    mutant(FORM, "np.abs(drive) > biases.LARGEST", "np.abs(drive) >= biases.LARGEST // 2", FORMS),
    mutant(FORM, "int(ours.alive.sum()) * values[0].size", "values.size", FORMS),
    mutant(FORM, "values != theirs.spikes[name]", "values & ~theirs.spikes[name]", FORMS),
    mutant(HOST, "total / len(stimulus)", "total", REPORTED),
    mutant(HOST, "first_layer_chip=0.0", "first_layer_chip=found.first_layer_chip", REPORTED),
    # encoders
    mutant(POISSON, "< pixels", "< pixels * 0.9", ENCODED),
    mutant(LATENCY, "(delay(pixels, steps) + 0.5) // 1", "delay(pixels, steps) // 1", ENCODED),
    mutant(LATENCY, "& (pixels > 0)", "", ENCODED),
    mutant(PHASE, "BITS - 1 - np.arange(steps) % BITS", "np.arange(steps) % BITS", ENCODED),
    mutant(CODING, "default_rng([seed, number])", "default_rng([seed, 0])", ENCODED),
    mutant(PHASE, "// weight % 2", "// weight % 3", ENCODED),
    mutant(BITS, "sent = np.zeros", "sent = np.ones", ENCODED),
    mutant(SMOOTHING, ".clip(0, 1)", ".clip(0, 2)", ENCODED),
    mutant(SMOOTHING, "steps if each_step else 1", "1", ENCODED),
    mutant("export/input_as.py", "source.levels * source.unit / found.levels", "source.unit", WAYS),
)
