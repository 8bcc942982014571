"""What print and Jupyter show of a result."""

from dataclasses import dataclass

from spikeport.export.shown import Shown


@dataclass(frozen=True)
class Sum(Shown):
    value: int

    def text(self):
        return f"the sum is {self.value}"


@dataclass(frozen=True)
class Plain(Shown):
    text: str


class Printer:
    def __init__(self):
        self.shown = ""

    def text(self, text):
        self.shown += text


def shown_in_ipython(value, *, cycle=False):
    printer = Printer()
    value._repr_pretty_(printer, cycle)
    return printer.shown


def test_print_and_ipython_show_the_text():
    assert str(Sum(3)) == shown_in_ipython(Sum(3)) == "the sum is 3"
    assert repr(Sum(3)) == "Sum(value=3)"


def test_a_class_without_text_shows_as_its_repr():
    assert str(Plain("x")) == shown_in_ipython(Plain("x")) == repr(Plain("x"))


def test_a_result_inside_itself_ends():
    assert shown_in_ipython(Sum(3), cycle=True) == "..."
