"""Does the package work where nothing else of ours is? Run by ``make package-check``.

Builds sdist and wheel, installs each in an empty environment without torch, and shows: one import name, the time of
``import spikeport``, the verbs that need no training, mypy strict on a user's script, one sentence for what an extra
would add. Prints one line per finding; exit code 1 where one is bad.
"""

import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits"
SCRIPT = ROOT / "examples" / "python" / "fidelity_and_cost.py"
IMPORT_SECONDS = 0.2
CLOCK = "import time; t = time.perf_counter(); import spikeport; print(time.perf_counter() - t)"
TOP = """
from importlib import metadata
files = metadata.distribution("spikeport").files
print(" ".join(sorted({f.parts[0] for f in files if ".." not in f.parts and not f.parts[0].endswith(".dist-info")})))
"""
Finding = tuple[bool, str]


def call(*command: object, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command outside the checkout, without a variable that makes Python look there."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        [str(part) for part in command], cwd=folder, env=kept, capture_output=True, text=True, check=False
    )


def good(*command: object, folder: Path) -> str:
    """Run a command that must succeed and return what it printed."""
    done = call(*command, folder=folder)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def environment(folder: Path, *packages: object) -> Path:
    """Make an environment with ``packages`` and return its folder of programs."""
    venv.create(folder, with_pip=True)
    programs = folder / "bin"
    limits = ROOT / "constraints.txt"
    good(programs / "python", "-m", "pip", "install", "--quiet", "--constraint", limits, *packages, folder=folder)
    return programs


def installed(programs: Path, folder: Path) -> Iterator[Finding]:
    """Look at an installed package."""
    python, command = programs / "python", programs / "spikeport"
    names = good(python, "-c", TOP, folder=folder).strip()
    yield names == "spikeport", f"import names: {names}"
    heavy = call(python, "-c", "import torch", folder=folder).returncode
    yield heavy != 0, "torch is not installed"
    median = statistics.median(float(good(python, "-c", CLOCK, folder=folder)) for _ in range(7))
    yield median < IMPORT_SECONDS, f"import spikeport: {median:.3f} s (median of 7; limit {IMPORT_SECONDS} s)"
    images = DIGITS / "held_out.npz"
    verbs = (
        ("quantize", DIGITS / "network_float.safetensors", "--out", "network.safetensors"),
        ("check", "network.safetensors", "--input", images, "--executors", "onnx,nir"),
        ("report", "network.safetensors", "--input", images, "--out", "report"),
        ("export", "network.safetensors", "--to", "nir", "--out", "network.nir"),
        ("profiles", "show", "loihi1"),
    )
    for verb in verbs:
        done = call(command, *verb, folder=folder)
        yield done.returncode == 0, f"spikeport {verb[0]}: exit code {done.returncode} {done.stderr.strip()}"
    refused = call(command, "demo", folder=folder)
    sentence = refused.stderr.strip()
    yield refused.returncode == 2 and "pip install 'spikeport[train]'" in sentence, f"spikeport demo: {sentence}"


def typed(programs: Path, folder: Path) -> Iterator[Finding]:
    """Check a user's script against the installed package, and run it."""
    script = folder / "script.py"
    script.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    checked = call(programs / "python", "-m", "mypy", "--strict", script.name, folder=folder)
    yield checked.returncode == 0, f"mypy --strict: {checked.stdout.strip()}"
    files = (DIGITS / "network_float.safetensors", DIGITS / "held_out.npz")
    done = call(programs / "python", script.name, *files, folder=folder)
    yield done.returncode == 0, f"the script: {(done.stdout or done.stderr).strip().splitlines()[-1]}"


def main() -> int:
    """Build, install and look; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="spikeport-package-") as name:
        folder = Path(name)
        good(sys.executable, "-m", "build", "--outdir", folder / "dist", ROOT, folder=folder)
        (wheel,), (sdist,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
        findings = []
        for kind, package in (("wheel", wheel), ("sdist", sdist)):
            work = folder / kind
            programs = environment(folder / f"{kind}-env", package, *(("mypy",) if kind == "wheel" else ()))
            work.mkdir()
            looks = [installed(programs, work), *([typed(programs, work)] if kind == "wheel" else ())]
            findings += [(ok, f"{kind}: {text}") for look in looks for ok, text in look]
        with tarfile.open(sdist) as archive:
            inside = {str(Path(*Path(member).parts[1:])) for member in archive.getnames()}
        needed = ("Makefile", "constraints.txt", "tests/conftest.py", "examples/digits/held_out.npz", "docs/formats.md")
        missing = [name for name in needed if name not in inside]
        findings.append((not missing, f"sdist: holds what the README uses; missing: {', '.join(missing) or 'nothing'}"))
    for ok, text in findings:
        print(f"{'ok ' if ok else 'BAD'}  {text}")
    return 0 if all(ok for ok, _ in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
