"""The Python 3.10 environment that Lava lives in: found, made and examined here.

lava-nc 0.10.0 needs CPython 3.10 and numpy 1; its import fails on 3.11. The environment is made once per user by
`install` and is independent of the one that spikeport runs in.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from spikeport.export.errors import LavaError
from spikeport.export.files import write_text

PACKAGES = ("lava-nc==0.10.0", "safetensors>=0.5,<1")
NETX_PACKAGES = ("lava-dl==0.6.0",)
PYTHON_VERSION = "3.10"
MARKER = "spikeport.json"
PROBE = "import sys; print('%d.%d' % sys.version_info[:2])"
HINT = "run 'spikeport lava install'"


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
    try:
        done = subprocess.run([interpreter, "-c", PROBE], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def base_pythons() -> Iterator[str]:
    """Yield candidates for Python 3.10: the user's choice, the PATH, pyenv's versions, uv's."""
    chosen = os.environ.get("SPIKEPORT_LAVA_PYTHON")
    if chosen:
        yield chosen
        return
    on_path = shutil.which(f"python{PYTHON_VERSION}")
    if on_path:
        yield on_path
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(root.glob(f"versions/{PYTHON_VERSION}*/bin/python"), reverse=True))
    yield from _uv_pythons()


def _uv_pythons() -> Iterator[str]:
    uv = shutil.which("uv")
    if uv:
        found = subprocess.run([uv, "python", "find", PYTHON_VERSION], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            yield found.stdout.strip()


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
    """Make the environment where it is missing and return its folder; ``netx`` adds lava-dl (5.6 GB)."""
    home, packages = folder(), [*PACKAGES, *(NETX_PACKAGES if netx else ())]
    if not force and _installed(home) >= set(packages) and _works(home):
        return home
    if home.exists() and not _ours(home):
        raise LavaError(f"{home} is not empty and no environment of ours; choose another folder in SPIKEPORT_LAVA_ENV")
    base = find_base_python()
    (home / MARKER).unlink(missing_ok=True)
    _call([base, "-m", "venv", "--clear", str(home)], "making the environment")
    _call([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages], "installing Lava")
    write_text(home / MARKER, json.dumps({"packages": packages, "base": base}, indent=1) + "\n")
    return home


def _works(home: Path) -> bool:
    """Return whether the interpreter starts and finds Lava."""
    try:
        done = subprocess.run(
            [home / "bin" / "python", "-c", "import lava.proc.lif.process"], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def _ours(home: Path) -> bool:
    """Return whether a folder may be cleared: empty, or a Python environment."""
    return home.is_dir() and (not any(home.iterdir()) or (home / "pyvenv.cfg").is_file())


def _installed(home: Path) -> set[str]:
    try:
        marker = json.loads((home / MARKER).read_text(encoding="utf-8"))
        return set(marker["packages"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _call(command: list[str], what: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise LavaError(f"{what} failed: {lines[-1] if lines else 'no message'} (command: {' '.join(command)})")
