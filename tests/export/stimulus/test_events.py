import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import StimulusError
from spikeport.export.network import Source
from spikeport.export.stimulus import InputSettings, Intake, stimulus

COUNTS = Source(levels=255, unit=1.0)
MS = InputSettings(bin="1ms")


def intake(shape=(2, 3, 4), steps=5):
    return Intake(shape=shape, steps=steps, source=COUNTS, real=False)


def events(rows, fields="xytp", kinds=None):
    kinds = kinds or {"x": "i2", "y": "i2", "t": "i8", "p": "?"}
    return np.array([tuple(row) for row in rows], [(name, kinds[name]) for name in fields])


FOUR = [(0, 0, 100, 0), (3, 2, 1099, 1), (3, 2, 1100, 1), (1, 1, 3100, 1)]


def test_each_event_counts_in_its_bin_polarity_and_place():
    found = stimulus(events(FOUR), intake(), settings=MS)
    expected = np.zeros((1, 5, 2, 3, 4), int)
    expected[0, 0, 0, 0, 0] = expected[0, 0, 1, 2, 3] = expected[0, 1, 1, 2, 3] = 1
    assert np.array_equal(found.values, expected)
    assert found.notes == (
        "1 of 1 samples have fewer than 5 steps (the shortest has 3): zeros follow",
        "1 events behind the last whole bin are left out, as tonic's ToFrame does",
    )


@pytest.mark.parametrize("fields", list(map("".join, itertools.permutations("xytp"))))
def test_fields_stand_in_any_order(fields):
    rows = [[dict(zip("xytp", row, strict=True))[name] for name in fields] for row in FOUR]
    found = stimulus(events(rows, fields), intake(), settings=MS)
    assert np.array_equal(found.values, stimulus(events(FOUR), intake(), settings=MS).values)


@pytest.mark.parametrize("kind", ["?", "u1", "i1", "i8", "f4"])
@pytest.mark.parametrize("off", [0, -1])
def test_polarities_are_truth_values_or_numbers(kind, off):
    if kind in ("?", "u1") and off:
        return
    rows = [(x, y, t, p or off) for x, y, t, p in FOUR]
    kinds = {"x": "u2", "y": "f8", "t": "u8", "p": kind}
    found = stimulus(events(rows, kinds=kinds), intake(), settings=MS)
    assert np.array_equal(found.values, stimulus(events(FOUR), intake(), settings=MS).values)


def test_one_channel_takes_both_polarities_and_that_is_said():
    found = stimulus(events(FOUR), intake((1, 3, 4)), settings=MS)
    both = stimulus(events(FOUR), intake(), settings=MS).values
    assert np.array_equal(found.values[:, :, 0], both.sum(axis=2))
    assert found.notes[-1] == "the network has one channel: both polarities are added up"
    single = stimulus(events([row for row in FOUR if row[3]]), intake((1, 3, 4)), settings=MS)
    assert "polarities" not in " ".join(single.notes)


def test_events_of_one_row_have_no_y():
    rows = [(x, t, p) for x, _, t, p in FOUR]
    assert stimulus(events(rows, "xtp"), intake((4,)), settings=MS).values.sum() == 3
    assert stimulus(events(rows, "xtp"), intake((2, 4)), settings=MS).values[0, 0].tolist() == [
        [1, 0, 0, 0],
        [0, 0, 0, 1],
    ]
    assert stimulus(events([row[:2] for row in rows], "xt"), intake((1, 1, 4)), settings=MS).values.shape == (
        1,
        5,
        1,
        1,
        4,
    )


def test_several_recordings_are_samples():
    found = stimulus([events(FOUR), events(FOUR[1:])], intake(), settings=MS)
    assert [each.sum() for each in found.values] == [3, 2]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 9999), st.booleans()), min_size=1),
    st.integers(1, 3000),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_order_of_events_does_not_matter_and_counts_are_those_of_the_definition(rows, width, incomplete, random):
    settings = InputSettings(bin=f"{width}us", incomplete=incomplete)
    shuffled = random.sample(rows, len(rows))
    start = min(t for _, _, t, _ in rows)
    duration = max(t for _, _, t, _ in rows) - start
    bins = max(1, -(-duration // width) if incomplete else duration // width)
    found = stimulus(events(shuffled), intake(steps=bins), settings=settings).values
    expected = np.zeros((bins, 2, 3, 4), int)
    for x, y, t, p in rows:
        if (t - start) // width < bins:
            expected[(t - start) // width, int(p), y, x] += 1
    assert np.array_equal(found[0], expected)


def test_recording_without_events_is_silence():
    for settings in (MS, InputSettings(frames=3)):
        assert not stimulus(events([]), intake(), settings=settings).values.any()


@pytest.mark.parametrize(
    ("rows", "settings", "shape", "message"),
    [
        (FOUR, InputSettings(), (2, 3, 4), r"list of events; say how they become steps: --bin 1ms .* or --frames 5"),
        (FOUR, MS, (3, 3, 4), r"shape \(3, 3, 4\); an event list needs \(2, height, width\) or \(1, height, width\)"),
        (FOUR, MS, (24,), r"shape \(24,\); an event list needs"),
        (FOUR, MS, (2, 3, 3), r"sample 0: event 1 lies at x 3, y 2; the network takes 3 x 3 \(width x height\)"),
        ([(0, -1, 0, 1)], MS, (2, 3, 4), "event 0 lies at x 0, y -1"),
        (FOUR, InputSettings(bin="500us"), (2, 3, 4), "lasts 3,000 us, 6 bins of 500 us; the network runs 5 steps"),
        ([(0, 0, 0, 1), (0, 0, 10**9, 1)], MS, (2, 3, 4), "if t counts nanoseconds, divide it by 1000; else import it"),
        (FOUR, InputSettings(frames=6), (2, 3, 4), "6 frames were asked for; the network runs 5 steps"),
        ([(0, 0, 0, 1), (0, 0, 2, 1)], InputSettings(frames=3), (2, 3, 4), "lasts 2 us, too short for 3 bins"),
    ],
)
def test_recordings_that_do_not_fit_are_refused(rows, settings, shape, message):
    with pytest.raises(StimulusError, match=message):
        stimulus(events(rows), intake(shape), settings=settings)


@pytest.mark.parametrize(
    ("name", "kind", "value", "message"),
    [
        ("t", "f8", 0.5, r"column 't' is .*; expected whole microseconds \(of seconds: numpy\.rint\(1e6 \* t\)"),
        ("x", "f8", np.nan, "column 'x' is .*; expected whole numbers"),
        ("p", "i1", 2, "polarity holds .*; expected true and false, 0 and 1, or -1 and 1"),
        ("t", "u8", 2**63, "beyond 2.62"),
    ],
)
def test_columns_that_are_none_are_refused(name, kind, value, message):
    kinds = {"x": "i2", "y": "i2", "t": "i8", "p": "i1", name: kind}
    table = events(FOUR, kinds=kinds)
    table[name][2] = value
    with pytest.raises(StimulusError, match=message):
        stimulus(table, intake(), settings=MS)


@pytest.mark.parametrize(("factor", "short"), [(1, 0), (1000, 1)])
def test_recording_within_one_bin_is_said_to_be_read_as_microseconds(factor, short):
    rows = [(x, y, t // factor, p) for x, y, t, p in FOUR]
    found = stimulus(events(rows), intake(), settings=MS)
    assert sum("1 of 1 recordings last less than one bin" in note for note in found.notes) == short


def test_list_without_fields_is_told_what_is_one():
    with pytest.raises(StimulusError, match=r"shape \(4, 4\); .*: a list of events is a structured array"):
        stimulus(np.array(FOUR), intake(), settings=MS)


def test_fields_of_something_else_are_named():
    with pytest.raises(StimulusError, match="has fields a, b; expected an event list with x, y, t and p"):
        stimulus(np.zeros(3, [("a", int), ("b", int)]), intake(), settings=MS)


def test_bins_are_for_event_lists_only():
    with pytest.raises(StimulusError, match=r"bins were asked for .*; the input holds frames"):
        stimulus(np.zeros((1, 5, 2, 3, 4), int), intake(), settings=MS)
