"""Numbers of files: kind, shape, finiteness and range, each refusal with what was found and what was expected."""

import numpy as np
import pytest

from spikeport.export import numbers
from spikeport.export.errors import FormatError, NetworkError
from spikeport.export.numbers import REAL, STEPS, Range

NONE_AT_ALL = {
    "missing": None,
    "text": "7",
    "truth": True,
    "truth array": np.array([True]),
    "complex": np.array([1 + 1j]),
    "complex scalar": 1j,
    "list": [7],
    "group": object(),
    "empty": np.zeros(0),
    "huge": 10**400,
    "NaN": np.nan,
    "infinite": np.inf,
    "NaN array": np.array([np.nan]),
}
BAD_WHOLES = {
    **NONE_AT_ALL,
    "fraction": 7.5,
    "zero": 0,
    "negative": np.int8(-1),
    "beyond 64 bit": 2**70,
    "beyond exact floats": 2.0**60,
    "two": np.array([7, 7]),
    "matrix": np.array([[7]]),
}


@pytest.mark.parametrize("value", BAD_WHOLES.values(), ids=BAD_WHOLES)
def test_whole_number_is_refused_with_its_range(value):
    with pytest.raises(FormatError, match=r"^n is .*; expected one whole number from 1 to 100,000$") as found:
        numbers.whole(value, "n", STEPS)
    assert len(str(found.value)) < 200


@pytest.mark.parametrize("value", NONE_AT_ALL.values(), ids=NONE_AT_ALL)
def test_reals_are_refused(value):
    with pytest.raises(FormatError, match=r"^n (is .*; expected numbers|holds numbers that are not finite)"):
        numbers.reals(value, "n")


@pytest.mark.parametrize("value", [7, 7.0, np.uint8(7), np.array(7), np.array([7.0], np.float32), np.array([7], ">i8")])
def test_whole_number_is_read_from_any_type(value):
    assert numbers.whole(value, "n", STEPS) == 7
    assert type(numbers.whole(value, "n", STEPS)) is int
    assert numbers.real(value, "n") == 7.0


def test_range_and_what_was_found_stand_in_the_message():
    with pytest.raises(FormatError, match=r"^w spans -2 to 1e\+308; expected numbers from -1e\+30 to 1e\+30$"):
        numbers.reals(np.array([-2, 1e308]), "w")
    with pytest.raises(NetworkError, match=r"^w is 9.99989e-321; expected numbers from 1e-30 to 1e\+30$"):
        numbers.reals(1e-320, "w", numbers.POSITIVE, error=NetworkError)
    with pytest.raises(FormatError, match=r"^s is \[1, 2, 3\]; expected one or two whole numbers from 0 to 5$"):
        numbers.wholes(np.array([1, 2, 3]), "s", Range(least=0, most=5), sizes=(1, 2))


def test_positive_infinity_passes_only_where_it_has_a_meaning():
    values = np.array([1.0, np.inf])
    assert numbers.reals(values, "tau", numbers.POSITIVE, infinite=True).tolist() == values.tolist()
    for bad in (np.array([1.0, -np.inf]), np.array([np.nan, np.inf])):
        with pytest.raises(FormatError, match="not finite"):
            numbers.reals(bad, "tau", REAL, infinite=True)


def test_truth_value_is_no_number_and_no_number_is_a_truth_value():
    assert numbers.flag(np.array([True]), "f") is True
    for value in (1, "true", None, np.array([True, False]), np.array(1)):
        with pytest.raises(FormatError, match=r"f is .*; expected true or false"):
            numbers.flag(value, "f")
