"""A bar on a terminal, plain lines elsewhere, silence for short work."""

import io
import threading
import time

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


def test_times_are_for_people():
    assert [progress.duration(each) for each in (0, 119, 130, 7300)] == ["0 s", "119 s", "2 min", "2.0 h"]


@pytest.mark.usefixtures("clock")
def test_a_bar_is_drawn_ten_times_a_second_at_most(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", terminal)
    monkeypatch.setattr(progress, "BAR_SECONDS", 1000.0)
    list(progress.tracked("work", iter(range(50)), 50))
    assert terminal.getvalue().count("\r") == 1


def test_waiting_is_told_in_lines_or_on_a_line_that_goes(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.01)
    with progress.waiting("placing"):
        time.sleep(0.05)
    assert set(capsys.readouterr().err.splitlines()) == {"placing: 0 s so far"}
    monkeypatch.setattr(progress, "LINE_SECONDS", 60)
    with progress.waiting("placing"):
        pass
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", terminal)
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.01)
    with progress.waiting("placing"):
        time.sleep(0.05)
    assert terminal.getvalue().startswith("\rplacing: 0 s so far \r")
    assert terminal.getvalue().endswith(f"\r{' ' * 20}\r")


def test_waiting_ends_with_the_error_of_the_work():
    before = threading.active_count()
    with pytest.raises(ValueError, match="no"), progress.waiting("placing"):
        raise ValueError("no")
    assert threading.active_count() == before
