"""Every kind of numbers for every kind of source: the table of docs/input.md."""

import itertools

import numpy as np
import pytest

from spikeport.export.errors import StimulusError
from spikeport.export.network import Source
from spikeport.export.stimulus import InputSettings, Intake, stimulus

SPIKES, COUNTS, PIXELS = Source(levels=1, unit=1.0), Source(levels=15, unit=1.0), Source(levels=255, unit=1 / 255)
SOURCES = {"spikes": SPIKES, "counts": COUNTS, "pixels": PIXELS}
VALUES = {
    "bool": np.array([[True, False]]),
    "ones": np.array([[1, 0]]),
    "counts": np.array([[3, 0]]),
    "many counts": np.array([[16, 0]]),
    "very many counts": np.array([[700, 0]], np.int16),
    "bytes": np.array([[200, 0]], np.uint8),
    "full integers": np.array([[255, 0]]),
    "negative": np.array([[1, -1]], np.int8),
    "whole": np.array([[1, 0]], np.float32),
    "whole counts": np.array([[3, 0]], np.float32),
    "whole bytes": np.array([[200, 0]], np.float32),
    "whole full": np.array([[255, 0]], np.float64),
    "fraction": np.array([[0.5, 0]], np.float32),
    "negative real": np.array([[0.5, -0.5]]),
}
REFUSED = {
    "ways": r"--levels 255 \(pixels\) or --levels \d+ --unit 1 \(counts\)",
    "levels": r"quantize it again with --levels \d+ --unit 1 \(counts\)",
    "import": r"import it again with --levels \d+ --unit 1 \(counts\)",
    "bits": "counts up to 700 take 10 bits; Loihi's graded input holds 8",
    "told": "not told what they stand for: import it with --levels 255",
    "truth": "holds truth values, spikes of size 1; the network takes levels 0..255 of 1/255 each: give --unit 1",
    "divided": r"holds whole numbers 0\.\.\d+ .*divide pixels by 255, or say .*--unit",
    "normalised": "give pixels as they are before any mean and standard deviation",
    "sign": "no input is negative: two polarities are two channels",
    "fractions": "expected only (zeros and ones|whole numbers): sample 0 holds fractions",
    "range": "expected 0..1, which the network's encoding maps to levels 0..255",
}
AS_IS = "as it is"
FLOAT = {
    "bool": {"spikes": 1, "counts": 1, "pixels": "truth"},
    "ones": {"spikes": 1, "counts": 1, "pixels": 1 / 255},
    "counts": {"spikes": 3, "counts": 3, "pixels": 3 / 255},
    "many counts": {"spikes": 16, "counts": "import", "pixels": 16 / 255},
    "very many counts": {"spikes": 700, "counts": "import", "pixels": "import"},
    "bytes": {"spikes": "told", "counts": "import", "pixels": 200 / 255},
    "full integers": {"spikes": "told", "counts": "import", "pixels": 1},
    "negative": {"spikes": 1, "counts": "sign", "pixels": "sign"},
    "whole": {"spikes": 1, "counts": 1, "pixels": 1},
    "whole counts": {"spikes": 3, "counts": 3, "pixels": 3},
    "whole bytes": {"spikes": 200, "counts": 200, "pixels": "divided"},
    "whole full": {"spikes": "divided", "counts": 255, "pixels": "divided"},
    "fraction": {"spikes": 0.5, "counts": 0.5, "pixels": 0.5},
    "negative real": {"spikes": 0.5, "counts": 0.5, "pixels": 0.5},
}
"""The real number that the first value becomes in a float network, or why it is refused."""
INTEGER = {
    "bool": {"spikes": 1, "counts": 1, "pixels": "truth"},
    "ones": {"spikes": 1, "counts": 1, "pixels": 1},
    "counts": {"spikes": "ways", "counts": 3, "pixels": 3},
    "many counts": {"spikes": "ways", "counts": "levels", "pixels": 16},
    "very many counts": {"spikes": "bits", "counts": "bits", "pixels": "bits"},
    "bytes": {"spikes": "ways", "counts": "levels", "pixels": 200},
    "full integers": {"spikes": "ways", "counts": "levels", "pixels": 255},
    "negative": {"spikes": "sign", "counts": "sign", "pixels": "sign"},
    "whole": {"spikes": 1, "counts": 1, "pixels": 255},
    "whole counts": {"spikes": "ways", "counts": 3, "pixels": "range"},
    "whole bytes": {"spikes": "ways", "counts": "levels", "pixels": "range"},
    "whole full": {"spikes": "ways", "counts": "levels", "pixels": "range"},
    "fraction": {"spikes": "fractions", "counts": "fractions", "pixels": 128},
    "negative real": {"spikes": "sign", "counts": "sign", "pixels": "normalised"},
}
"""The level that the first value becomes in an integer network, or why it is refused."""


def intake(source, *, real):
    return Intake(shape=(2,), steps=3, source=SOURCES[source], real=real)


@pytest.mark.parametrize(("value", "source", "real"), list(itertools.product(VALUES, SOURCES, (True, False))))
def test_table(value, source, real):
    expected = (FLOAT if real else INTEGER)[value][source]
    if isinstance(expected, str):
        with pytest.raises(StimulusError, match=REFUSED[expected]):
            stimulus(VALUES[value], intake(source, real=real))
        return
    found = stimulus(VALUES[value], intake(source, real=real))
    first = found.values[0, 0]
    worth = float(first) * SOURCES[source].unit if real and found.values.dtype.kind != "f" else first
    assert worth == expected
    assert real or found.values.dtype == np.uint8


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize(("source", "real"), [("spikes", True), ("counts", True), ("counts", False)])
def test_counts_of_every_type_are_the_same(kind, source, real):
    found = stimulus(np.array([[3, 1]]).astype(kind), intake(source, real=real)).values
    assert (found.astype(float) * SOURCES[source].unit).tolist() == [[3, 1]]


@pytest.mark.parametrize(("source", "level"), [("spikes", 1), ("counts", 5), ("pixels", 255)])
@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32])
def test_a_unit_of_the_input_makes_values_of_its_numbers(source, level, kind):
    number = 5 if source == "counts" else 85
    settings = InputSettings(unit=1 if source == "counts" else 1 / 85)
    found = stimulus(np.array([[number, 0]]).astype(kind), intake(source, real=False), settings=settings)
    assert found.values.tolist() == [[level, 0]]
    real = stimulus(np.array([[number, 0]]).astype(kind), intake(source, real=True), settings=settings)
    worth = real.values * (1 if real.values.dtype.kind == "f" else SOURCES[source].unit)
    assert worth.tolist() == [[5 if source == "counts" else 1, 0]]
    assert not real.notes


def test_truth_values_of_unit_one_are_full_levels():
    assert stimulus(VALUES["bool"], intake("pixels", real=False), settings=InputSettings(unit=1)).values[0, 0] == 255


@pytest.mark.parametrize(
    ("value", "source", "real", "note"),
    [
        ("counts", "spikes", True, "integers of the input are taken as counts: 3 means 3.0; --unit says otherwise"),
        ("negative", "spikes", True, "integers of the input are taken as counts: -1 means -1.0; --unit says otherwise"),
        ("ones", "pixels", False, "the input's integers are 0 and 1, levels of 1/255 each; for spikes of size 1 give"),
        ("negative real", "pixels", True, "the input spans -0.5..0.5, and the network takes 0..1: real numbers are"),
        ("whole bytes", "counts", True, "the input spans 0..200, and the network takes 0..15: real numbers are"),
        ("ones", "spikes", True, None),
        ("fraction", "pixels", True, None),
        ("counts", "counts", True, None),
        ("counts", "counts", False, None),
    ],
)
def test_what_is_taken_for_granted_is_said(value, source, real, note):
    notes = stimulus(VALUES[value], intake(source, real=real)).notes
    assert notes == () if note is None else notes[0].startswith(note)


def test_the_sample_that_does_not_fit_is_named():
    counts = np.zeros((5, 2), np.int16)
    counts[3, 1] = 16
    with pytest.raises(StimulusError, match=r"expected 0..15: the network takes counts, 0..15, and sample 3 holds 16"):
        stimulus(counts, intake("counts", real=False))
    reals = np.zeros((5, 2))
    reals[4, 0] = 0.25
    with pytest.raises(StimulusError, match="sample 4 holds fractions"):
        stimulus(reals, intake("counts", real=False))
    reals[2, 0] = np.inf
    with pytest.raises(StimulusError, match="not finite, the first in sample 2"):
        stimulus(reals, intake("counts", real=True))


@pytest.mark.parametrize("unit", [0, -1, np.nan, 1e300])
def test_unit_is_a_positive_number(unit):
    with pytest.raises(StimulusError, match="unit of the input"):
        InputSettings(unit=unit)


@pytest.mark.parametrize("most", [15, 16, 254])
def test_whole_real_numbers_that_may_be_grey_levels_are_said(most):
    values = np.array([[most, 0]], np.float32)
    said = [note for note in stimulus(values, intake("spikes", real=True)).notes if "--unit 1/255 says pixels" in note]
    assert len(said) == (most > 15)
