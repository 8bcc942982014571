"""Exit codes, signals and standard streams: a sentence and a code of its own for each, and never 1 for a crash."""

import signal
import subprocess
import sys
import time

import pytest
import typer

from spikeport.export.errors import NetworkError
from spikeport.hardware_profiles.columns import WIDTH, table
from spikeport.toolchain.commands import exits

COMMAND = [sys.executable, "-m", "spikeport.toolchain.cli"]


def ends(raised, monkeypatch, capsys):
    """Return code and standard error of a command that raises."""
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def verb():
        raise raised

    monkeypatch.setattr(sys, "argv", ["spikeport"])
    with pytest.raises(SystemExit) as left:
        exits.run(app)
    return left.value.code, capsys.readouterr().err


@pytest.fixture(autouse=True)
def _signals():
    """Give pytest its handlers back."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def for_file(name, text):
    error = MemoryError(text)
    error.add_note(name)
    return error


@pytest.mark.parametrize(("terminal", "lines"), [(True, 7), (False, 3)])
def test_tables_fit_a_terminal_and_stay_in_one_piece_in_a_pipe(monkeypatch, capsys, terminal, lines):
    def command(**_given):
        exits.say(table(("name", "first", "second"), [("a", "1" * 30, "2" * 30)]))

    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    before = WIDTH.get()
    try:
        with pytest.raises(SystemExit):
            exits.run(command)
    finally:
        WIDTH.set(before)
    assert len(capsys.readouterr().out.splitlines()) == lines


FAULTS = {
    "bad input": (NetworkError("populations do not fit"), 2, "spikeport: populations do not fit\n"),
    "no file": (FileNotFoundError(2, "No such file", "a/b"), 2, "spikeport: a/b: No such file\n"),
    "no permission": (PermissionError(13, "denied", "/x/b"), 2, "spikeport: /x/b: no permission to write in /\n"),
    "no name": (TimeoutError("too slow"), 2, "spikeport: too slow\n"),
    "no memory": (
        MemoryError("Unable to allocate 7 TiB"),
        2,
        "spikeport: not enough memory (Unable to allocate 7 TiB)\n",
    ),
    "no memory for a file": (
        for_file("a\x1b/b.nir", "Unable to allocate 7 TiB"),
        2,
        "spikeport: a\\x1b/b.nir: not enough memory (Unable to allocate 7 TiB)\n",
    ),
    "no memory for a library": (
        ImportError("/usr/lib/libx.so: failed to map segment from shared object"),
        2,
        "spikeport: not enough memory (/usr/lib/libx.so: failed to map segment from shared object)\n",
    ),
    "no memory for a library of a library": (
        ImportError("numpy: libm.so: cannot allocate memory in static TLS block"),
        2,
        "spikeport: not enough memory (numpy: libm.so: cannot allocate memory in static TLS block)\n",
    ),
    "no memory for a thread": (
        RuntimeError("can't start new thread"),
        2,
        "spikeport: not enough memory (can't start new thread)\n",
    ),
    "another import": (ImportError("no name 'x'"), 70, "spikeport: a fault of spikeport (ImportError: no name 'x')"),
    "fault": (ZeroDivisionError("by zero"), 70, "spikeport: a fault of spikeport (ZeroDivisionError: by zero); please"),
    "recursion": (RecursionError("too deep"), 70, "spikeport: a fault of spikeport (RecursionError: too deep)"),
    "verdict": (typer.Exit(1), 1, ""),
    "interrupted": (typer.Exit(130), 130, ""),
    "aborted": (typer.Abort(), 130, ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_error_has_a_code_and_one_line(monkeypatch, capsys, fault):
    raised, code, sentence = FAULTS[fault]
    found, err = ends(raised, monkeypatch, capsys)
    assert found == code
    assert err.startswith(sentence)
    assert err.count("\n") <= 1


def test_traceback_is_shown_where_it_is_asked_for(monkeypatch, capsys):
    monkeypatch.setenv(exits.TRACEBACK, "1")
    code, err = ends(ZeroDivisionError("by zero"), monkeypatch, capsys)
    assert code == 70
    assert "Traceback" in err
    assert "raise raised" in err


@pytest.mark.parametrize(
    ("redirection", "code", "sentence"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
        (">/dev/full", 2, "spikeport: standard output: No space left on device\n"),
        (">/dev/full 2>&1", 2, ""),
        ("2>/dev/full", 0, ""),
    ],
)
def test_closed_and_full_streams(redirection, code, sentence, tmp_path):
    command = f"exec {sys.executable} -m spikeport.toolchain.cli profiles {redirection}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (code, sentence)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", ">&- 2>&-"])
def test_bad_input_keeps_its_code_where_nothing_can_be_said(redirection, tmp_path):
    command = f"exec {sys.executable} -m spikeport.toolchain.cli profiles show none {redirection}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_reader_that_leaves_is_told_and_is_no_bad_verdict():
    with subprocess.Popen(
        [*COMMAND, "profiles", "show", "loihi1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        run.stdout.close()
        err = run.stderr.read().decode()
    assert run.returncode == 141
    assert err == "spikeport: standard output: its reader has left before everything was printed\n"


SLEEPING = """
import time, typer
from spikeport.toolchain.commands import exits
app = typer.Typer()

@app.command()
def verb() -> None:
    print("ready", flush=True)
    time.sleep(60)

exits.run(app)
"""


@pytest.mark.parametrize(("number", "code"), [("SIGHUP", 129), ("SIGINT", 130), ("SIGTERM", 143)])
def test_signals_end_the_command_with_their_code(number, code):
    with subprocess.Popen([sys.executable, "-c", SLEEPING], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout.readline() == b"ready\n"
        run.send_signal(getattr(signal, number))
        _, err = run.communicate(timeout=30)
    assert run.returncode == code
    assert b"Traceback" not in err


def test_hang_up_is_ignored_where_the_shell_said_so():
    command = ["nohup", sys.executable, "-c", SLEEPING]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout.readline() == b"ready\n"
        run.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert run.poll() is None
        run.terminate()
        run.communicate(timeout=30)
    assert run.returncode == 143


def test_file_opened_by_a_command_with_closed_streams_is_not_written_into(tmp_path):
    """Descriptor 1 is taken before the first file is opened."""
    code = "import os, sys; from spikeport.toolchain.commands import exits; exits._open_streams();"
    code += f"file = os.open({str(tmp_path / 'data')!r}, os.O_CREAT | os.O_WRONLY); print('text', flush=True);"
    code += "os.write(2, b'error'); sys.exit(file)"
    done = subprocess.run(["sh", "-c", f'exec {sys.executable} -c "{code}" >&- 2>&- <&-'], check=False, timeout=60)
    assert done.returncode > 2
    assert (tmp_path / "data").stat().st_size == 0


@pytest.mark.parametrize("terminals", [(True, True), (True, False), (False, True), (False, False)])
def test_a_warning_is_seen_once_on_a_terminal_and_on_both_streams_elsewhere(monkeypatch, capsys, terminals):
    for name, terminal in zip(("stdout", "stderr"), terminals, strict=True):
        monkeypatch.setattr(getattr(sys, name), "isatty", lambda terminal=terminal: terminal, raising=False)
    exits.say("warning: one")
    out, err = capsys.readouterr()
    assert out == "warning: one\n"
    assert err == ("" if all(terminals) else "spikeport: warning: one\n")
