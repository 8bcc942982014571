"""The Python 3.10 environment that Lava lives in: found, made and examined here.

lava-nc 0.10.0 needs CPython 3.10 and numpy 1; its import fails on 3.11. The environment is made once per user by
`install`, from versions with hashes in ``requirements.txt``, and is independent of the one that spikeport runs in.
Every child starts isolated (``-I``, root as current folder), so that no ``lava.py`` or ``pip.py`` of a user runs.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spikeport.export import children
from spikeport.export.errors import LavaError
from spikeport.export.files import write_text
from spikeport.export.progress import announce, waiting

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
"""The packages of the environment, pinned and with hashes."""
NETX_PACKAGES = ("lava-dl==0.6.0",)
PYTHON_VERSION = "3.10"
MARKER = "spikeport.json"
PROBE = "import sys; print('%d.%d' % sys.version_info[:2])"
CONTENT = """
import importlib.metadata, json, lava.proc.lif.process
print(json.dumps([f"{each.name}=={each.version}" for each in importlib.metadata.distributions()]))
"""
HINT = "run 'spikeport lava install'"
PIP_PATHS = ("CACHE_DIR", "CERT", "CLIENT_CERT", "CONFIG_FILE", "CONSTRAINT", "FIND_LINKS")
"""Variables ``PIP_*`` that may name files by their place in the user's current folder."""


def pinned() -> list[str]:
    """Return ``name==version`` of every package of the environment."""
    return re.findall(r"^[\w.-]+==[\w.]+", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)


def folder() -> Path:
    """Return where the environment lives: SPIKEPORT_LAVA_ENV, or the user's data folder."""
    chosen = os.environ.get("SPIKEPORT_LAVA_ENV")
    if chosen:
        return Path(chosen).absolute()
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "spikeport" / "lava-0.10.0"


def python() -> Path:
    """Return the environment's interpreter; `LavaError` where it is missing or incomplete."""
    home = folder()
    if not (home / MARKER).is_file():
        raise LavaError(f"no Lava environment in {home}; {HINT}")
    interpreter = home / "bin" / "python"
    if version_of(interpreter) != PYTHON_VERSION:
        raise LavaError(f"{interpreter} does not start as Python {PYTHON_VERSION}; {HINT}, which makes it anew")
    return interpreter


def version_of(interpreter: Path | str) -> str | None:
    """Return 'major.minor' of an interpreter that really starts, else None."""
    return _answer([str(interpreter), "-I", "-c", PROBE])


def _answer(command: list[str], *, seconds: float = 60) -> str | None:
    """Return what a command prints, run apart from the user's folder; None where it fails."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            cwd="/",
            env=_variables(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _variables() -> dict[str, str]:
    """Return the user's variables for children: without PYTHON*, and with absolute paths for pip."""
    variables = children.environment()
    for name in PIP_PATHS:
        if f"PIP_{name}" in variables:
            parts = variables[f"PIP_{name}"].split(" ")
            variables[f"PIP_{name}"] = " ".join(str(Path(p).absolute()) if Path(p).exists() else p for p in parts if p)
    return variables


def base_pythons() -> Iterator[str]:
    """Yield candidates for Python 3.10: the user's choice, the PATH, pyenv's versions, uv's."""
    chosen = os.environ.get("SPIKEPORT_LAVA_PYTHON")
    if chosen:
        yield str(Path(chosen).absolute()) if os.sep in chosen else chosen
        return
    on_path = shutil.which(f"python{PYTHON_VERSION}")
    if on_path:
        yield on_path
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(root.glob(f"versions/{PYTHON_VERSION}*/bin/python"), reverse=True))
    yield from _uv_pythons()


def _uv_pythons() -> Iterator[str]:
    uv = shutil.which("uv")
    found = _answer([str(Path(uv).absolute()), "python", "find", PYTHON_VERSION]) if uv else None
    if found:
        yield found


def find_base_python() -> str:
    """Return a Python 3.10 that starts; `LavaError` says which were tried."""
    tried = []
    for candidate in base_pythons():
        found = version_of(candidate)
        if found == PYTHON_VERSION:
            return candidate
        tried.append(f"{candidate} ({f'is Python {found}' if found else 'does not start'})")
    raise LavaError(
        f"Lava needs Python {PYTHON_VERSION}; tried {', '.join(tried) or 'the PATH, pyenv and uv'}; "
        f"install one (for example 'pyenv install {PYTHON_VERSION}') or set SPIKEPORT_LAVA_PYTHON to its path"
    )


def install(*, netx: bool = False, force: bool = False) -> Path:
    """Make the environment where it is missing and return its folder; ``netx`` adds lava-dl (5.6 GB, no hashes)."""
    home, extra = folder(), [*(NETX_PACKAGES if netx else ())]
    if not force and _complete(home, extra):
        return home
    if home.exists() and not _ours(home):
        raise LavaError(f"{home} is not empty and no environment of ours; choose another folder in SPIKEPORT_LAVA_ENV")
    base = find_base_python()
    with _alone(home) as waited:
        if (force and not waited) or not _complete(home, extra):  # the first may have ended before the second waits
            _make(home, extra, base)
    return home


def _complete(home: Path, extra: list[str]) -> bool:
    return (home / MARKER).is_file() and _content(home) >= _normalized([*pinned(), *extra])


@contextmanager
def _alone(home: Path) -> Iterator[bool]:
    """Let a second installation into ``home`` wait for the first; tell whether it had to."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f".{home.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            announce(f"another installation into {home} is at work; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
            yield True
        else:
            yield False


def _make(home: Path, extra: list[str], base: str) -> None:
    (home / MARKER).unlink(missing_ok=True)
    _call([base, "-I", "-m", "venv", "--clear", str(home)], "making the environment")
    pip = [str(home / "bin" / "python"), "-I", "-m", "pip", "install", "--quiet"]
    _call([*pip, "--require-hashes", "--no-deps", "--requirement", str(REQUIREMENTS)], "installing Lava")
    if extra:
        _call([*pip, *extra], "installing lava-dl")
    write_text(home / MARKER, json.dumps({"packages": [*pinned(), *extra], "base": base}, indent=1) + "\n")


def _content(home: Path) -> set[str]:
    """Return ``name==version`` of what is installed; nothing where the interpreter does not start or lacks Lava."""
    answer = _answer([str(home / "bin" / "python"), "-I", "-c", CONTENT])
    return _normalized(json.loads(answer)) if answer else set()


def _normalized(packages: list[str]) -> set[str]:
    return {re.sub(r"[-_.]+", "-", name).lower() + f"=={version}" for name, _, version in map(_parted, packages)}


def _parted(package: str) -> tuple[str, str, str]:
    return package.partition("==")


def _ours(home: Path) -> bool:
    """Return whether a folder may be cleared: empty, or a Python environment."""
    return home.is_dir() and (not any(home.iterdir()) or (home / "pyvenv.cfg").is_file())


def _call(command: list[str], what: str) -> None:
    with waiting(what):
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, cwd="/", env=_variables()
        )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise LavaError(f"{what} failed: {lines[-1] if lines else 'no message'} (command: {' '.join(command)})")
