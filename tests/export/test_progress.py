"""A bar on a terminal, plain lines elsewhere, silence for short work."""

import io

import pytest

from spikeport.export import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves on by three seconds each time it is read."""
    ticks = iter(range(0, 10_000, 3))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(ticks)))


def test_short_work_is_silent(capsys):
    assert list(progress.tracked("work", iter(range(5)), 5)) == list(range(5))
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("clock")
def test_plain_lines_without_a_terminal(capsys):
    assert list(progress.Progress("work").track(range(6))) == list(range(6))
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("work: 6 of 6, ")
    assert 1 < len(lines) <= 4
    assert not any("\r" in line for line in lines)


@pytest.mark.usefixtures("clock")
def test_bar_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", terminal)
    list(progress.tracked("work", iter(range(4)), 4))
    shown = terminal.getvalue()
    assert shown.count("\r") == 4
    assert "[###############" in shown
    assert shown.endswith("4/4, 0 s left \n")


@pytest.mark.usefixtures("clock")
def test_silenced(capsys):
    list(progress.Progress("work", enabled=False).track(range(6)))
    assert capsys.readouterr().err == ""
