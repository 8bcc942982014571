"""Messages: printable, on one line, of bounded length, whatever stands in a file."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import LONGEST_MESSAGE, FormatError, NetworkError, SpikeportError, printable

HOSTILE = {
    "escape sequence": ("a\x1b[31mred\x1b[0m", r"a\x1b[31mred\x1b[0m"),
    "line break": ("a\nspikeport: all is well", r"a\nspikeport: all is well"),
    "carriage return": ("a\rb", r"a\rb"),
    "other line breaks": ("a\x85b\u2028c", r"a\x85b\u2028c"),
    "turned around": ("a\u202egpj.exe", r"a\u202egpj.exe"),
    "zero width": ("a\u200bb", r"a\u200bb"),
    "undecodable": ("a\udc80", r"a\udc80"),
    "terminal title": ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
    "beyond 16 bit": ("\U000e0041", r"\U000e0041"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_printed_is_escaped(name):
    text, expected = HOSTILE[name]
    assert str(FormatError(f"x.nir: {text}")) == f"x.nir: {expected}"


def test_letters_of_all_scripts_stay():
    assert str(NetworkError("Größe 長さ é")) == "Größe 長さ é"


@pytest.mark.parametrize("text", ["a" * 200_000, "\x1b" * 200_000, "\u202e" * 10_000])
def test_long_message_keeps_its_start_and_its_advice(text):
    message = str(FormatError(f"x.nir: node {text}; write it anew"))
    assert len(message) <= LONGEST_MESSAGE
    assert message.startswith("x.nir: node ")
    assert message.endswith("; write it anew")
    assert "characters left out" in message


@given(st.text(max_size=3000))
def test_message_is_one_bounded_printable_line_however_often_it_is_wrapped(text):
    once = FormatError(text)
    twice = SpikeportError(f"x: {once}")
    for error in (once, twice):
        assert str(error).isprintable()
        assert len(str(error)) <= LONGEST_MESSAGE
    assert str(FormatError(str(once))) == str(once)


def test_error_survives_a_process_border():
    error = pickle.loads(pickle.dumps(FormatError("x.nir: bad")))
    assert type(error) is FormatError
    assert str(error) == "x.nir: bad"


def test_report_keeps_its_line_breaks():
    assert printable("a\nb\x1b[2J", keep="\n") == "a\nb\\x1b[2J"
