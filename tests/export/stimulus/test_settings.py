import pytest

from spikeport.export.errors import StimulusError
from spikeport.export.stimulus.settings import InputSettings, duration, ratio


@pytest.mark.parametrize(
    ("text", "length"), [("1ms", 1000), ("500us", 500), ("2 s", 2_000_000), ("0.5ms", 500), (" 1.25 ms ", 1250)]
)
def test_durations_are_whole_microseconds(text, length):
    assert duration(text) == length
    assert InputSettings(bin=text).microseconds() == length


@pytest.mark.parametrize(
    "text", ["1", "ms", "-1ms", "0ms", "0.5us", "1e3us", "1 m", "1msx", "9" * 13 + "s", "\u0661ms"]
)
def test_other_durations_are_refused(text):
    with pytest.raises(StimulusError, match="length of a bin"):
        InputSettings(bin=text)


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("1/255", 1 / 255), ("0.5", 0.5), (" 1e-3 / 2", 5e-4)])
def test_units_are_numbers_or_fractions(text, number):
    assert ratio(text) == number


@pytest.mark.parametrize("text", ["", "a", "1/0", "1/2/3", "nan", "inf", "--", "1/"])
def test_other_units_are_refused(text):
    with pytest.raises(StimulusError, match=r"unit is '.*'; expected a number or a fraction"):
        ratio(text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bin": "1ms", "frames": 3}, "expected one of the two"),
        ({"frames": 0}, "number of frames is 0"),
        ({"frames": 3, "incomplete": True}, "the last incomplete bin can be kept where the length of a bin is given"),
    ],
)
def test_settings_that_contradict_are_refused(settings, message):
    with pytest.raises(StimulusError, match=message):
        InputSettings(**settings)
