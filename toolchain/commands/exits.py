"""How the command ends: exit codes, signals, and standard streams that are closed or full.

====  ==================================================================================================
code  meaning
====  ==================================================================================================
0     done; a verdict is good
1     a verdict is bad, nothing else
2     bad input, or something that is missing: a file, space, memory, permission, a package, a scheduler
70    a fault of spikeport: one line says so; ``SPIKEPORT_TRACEBACK=1`` adds the traceback
129   ended by SIGHUP (hang-up), unless the command was started with it ignored (nohup)
130   ended by SIGINT (Ctrl-C)
141   who read standard output has left (a pipe to ``head``)
143   ended by SIGTERM
====  ==================================================================================================
"""

import errno
import os
import shlex
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO, cast

import typer

from spikeport.export.errors import SpikeportError, one_line, printable

BAD_INPUT, FAULT, INTERRUPTED, READER_LEFT = 2, 70, 130, 141
TRACEBACK = "SPIKEPORT_TRACEBACK"
NO_MEMORY = ("failed to map segment", "cannot allocate memory", "can't start new thread")
"""What the loader of libraries and Python say where memory, or what ``ulimit -v`` allows of it, is used up."""


class _OutputFailed(Exception):  # noqa: N818 - it leaves this module in no way
    """Standard output is full, or nobody reads it; not an OSError, for which typer has an exit code of its own."""


class _Interrupted(Exception):  # noqa: N818 - it leaves this module in no way
    """Ctrl-C, with how to go on; not a KeyboardInterrupt, which typer turns into a number."""


@contextmanager
def interruptible(how: Callable[[], str]) -> Iterator[None]:
    """Hold work that Ctrl-C may end; ``how`` says then how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise _Interrupted(how()) from None


def again(*more: str) -> str:
    """Return the command that runs, with the options ``more`` where it has them not."""
    return shlex.join(["spikeport", *sys.argv[1:], *(each for each in more if each not in sys.argv)])


class _Output:
    """Standard output whose errors are told from those of files."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except OSError as error:
            raise _OutputFailed(error) from error

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError as error:
            raise _OutputFailed(error) from error


def run(command: Callable[..., object]) -> NoReturn:
    """Run a typer application and leave with its exit code; every way to end is in the table above."""
    _open_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _leave)
    _fit_tables()
    stdout = sys.stdout
    sys.stdout = cast("TextIO", _Output(stdout))
    try:
        code = _code(command)
    finally:
        sys.stdout = stdout
    sys.exit(code)


def say(text: str, *, passed: bool = True) -> None:
    """Print a result, its warnings on standard error, too, and leave the command with 1 where its verdict is bad.

    Where both streams are a terminal, warnings stand in the result alone.
    """
    seen = sys.stdout.isatty() and sys.stderr.isatty()
    for line in text.split("\n"):
        if line.startswith("warning: ") and not seen:
            sys.stderr.write(printable(f"spikeport: {line}") + "\n")
    sys.stdout.write(printable(text, keep="\n") + "\n")
    if not passed:
        raise typer.Exit(1)


def _fit_tables() -> None:
    """Fit tables into the lines of a terminal; in a pipe or file each stays in one piece."""
    if sys.stdout.isatty():
        from spikeport.hardware_profiles.columns import WIDTH

        WIDTH.set(shutil.get_terminal_size().columns)


def _leave(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def _code(command: Callable[..., object]) -> int:
    """Call the command and return the exit code; what it raises becomes a sentence."""
    try:
        outcome = command(standalone_mode=False)
        sys.stdout.flush()
    except _OutputFailed as error:
        return _output_failed(error.args[0])
    except SpikeportError as error:
        first, *more = getattr(error, "lines", (str(error),))
        return _said(first, BAD_INPUT, more)
    except (_Interrupted, KeyboardInterrupt) as error:
        return _interrupted(error)
    except OSError as error:
        return _system(error)
    except Exception as error:  # noqa: BLE001 - a fault of ours is told as one
        return _unknown(error)
    return _interrupted() if outcome == INTERRUPTED else outcome if isinstance(outcome, int) else 0


def _interrupted(error: BaseException | None = None) -> int:
    """Return the code of Ctrl-C; a verb that can go on has said how."""
    how = str(error) if isinstance(error, _Interrupted) else f"no file is half-written; from the start: {again()}"
    return _said(f"interrupted; {how}", INTERRUPTED)


def _unknown(error: Exception) -> int:
    """Return the code of an error that is not ours: of the command line, which shows itself, or a fault."""
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if show is not None and isinstance(code, int):
        return _usage(error, code)
    if type(error).__name__ == "Abort":
        return _interrupted()
    if type(error).__name__ == "Exit":
        return code if isinstance(code, int) else FAULT
    if _lacks_memory(error):
        file = "".join(f"{note}: " for note in getattr(error, "__notes__", ()))
        return _said(f"{file}not enough memory ({one_line(error)[:500] or 'no amount given'})", BAD_INPUT)
    if os.environ.get(TRACEBACK) == "1":
        traceback.print_exception(error, file=sys.stderr)
    sentence = f"a fault of spikeport ({type(error).__name__}: {one_line(error)[:500]}); please report it"
    return _said(f"{sentence}, with the traceback that {TRACEBACK}=1 shows", FAULT)


def _usage(error: Exception, code: int) -> int:
    """Return the code of a command line that is not understood; without any words it is the help that is shown."""
    if type(error).__name__ == "NoArgsIsHelpError" or not hasattr(error, "ctx"):
        error.show()  # type: ignore[attr-defined]
        return code
    from spikeport.toolchain.commands import usage

    return _said(usage.sentence(error), code)


def _lacks_memory(error: BaseException | None) -> bool:
    """Tell whether memory ran out: also for a library to load, or a thread to start, which Python calls otherwise."""
    if isinstance(error, ImportError | RuntimeError):
        text = str(error).lower()
        return any(sign in text for sign in NO_MEMORY) or _lacks_memory(error.__cause__ or error.__context__)
    return isinstance(error, MemoryError)


def _system(error: OSError) -> int:
    from pathlib import Path

    from spikeport.export.files import sentence

    if error.filename is None:
        return _said(error.strerror or one_line(error) or type(error).__name__, BAD_INPUT)
    path = Path(os.fsdecode(error.filename))
    return _said(sentence(error, path, path.parent), BAD_INPUT)


def _said(sentence: str, code: int, more: Iterable[str] = ()) -> int:
    """Say on standard error why the command ends, and ``more``; where it is closed or full, the code alone says it."""
    try:
        lines = (f"spikeport: {sentence}", *(f"  {each}" for each in more))
        sys.stderr.write("".join(f"{printable(line)}\n" for line in lines))
        sys.stderr.flush()
    except OSError:
        _to_nothing(2)
    return code


def _output_failed(error: OSError) -> int:
    """Return the code for a standard output that is full or that nobody reads; nothing more goes there."""
    _to_nothing(1)
    if error.errno == errno.EPIPE:
        return _said("standard output: its reader has left before everything was printed", READER_LEFT)
    return _said(f"standard output: {error.strerror or one_line(error)}", BAD_INPUT)


def _open_streams() -> None:
    """Lead closed standard streams to /dev/null: else the next file that is opened becomes standard output."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - of a descriptor, for good


def _to_nothing(number: int) -> None:
    """Lead a standard stream to /dev/null, so that Python's own flush at the end finds room."""
    opened = os.open(os.devnull, os.O_WRONLY)
    os.dup2(opened, number)
    os.close(opened)
