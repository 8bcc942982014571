"""Does spikeport install beside the frameworks whose networks it reads? Run by ``make beside-check``.

Resolves spikeport's requirements together with those of each framework, for a fresh environment each, from the
packages' metadata alone, and prints a table: the framework, 'resolved' with the versions that several of them pin, or
'conflict' with the resolver's reason. With ``--install`` the frameworks that have a script here are really installed
beside spikeport's wheel, write a NIR file, and ``spikeport import`` reads it there. Exit code 1 where one fails.
"""

import argparse
import re
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomllib
from check import ROOT, call, good

SHOWN = ("numpy", "h5py", "nir", "torch")
SINABS = """
import nir, sinabs.layers as sl, torch
from sinabs.nir import to_nir
net = torch.nn.Sequential(torch.nn.Linear(4, 3), sl.IAFSqueeze(batch_size=1))
nir.write("model.nir", to_nir(net, torch.zeros(5, 4)))
"""
SNNTORCH = """
import nir, snntorch, torch
from snntorch.export_nir import export_to_nir
half, one = torch.full((3,), 0.5), torch.ones(3)
neurons = snntorch.Leaky(beta=half, threshold=one, reset_mechanism="zero", init_hidden=True)
net = torch.nn.Sequential(torch.nn.Linear(4, 3), neurons)
nir.write("model.nir", export_to_nir(net, torch.zeros(1, 4), ignore_dims=[0]))
"""


@dataclass(frozen=True, kw_only=True)
class Framework:
    """What a user of a framework asks pip for; ``script`` writes model.nir, read in ``dialect``."""

    requirements: tuple[str, ...]
    script: str = ""
    dialect: str = ""

    @property
    def name(self) -> str:
        """The first requirement."""
        return self.requirements[0]


FRAMEWORKS = (
    # snnTorch's wheel names no requirements; its export needs these
    Framework(requirements=("snntorch==1.0.0", "nir", "nirtorch", "torch"), script=SNNTORCH, dialect="snntorch"),
    Framework(requirements=("norse==1.1.0",)),
    Framework(requirements=("spikingjelly[nir]==2.0.0",)),
    Framework(requirements=("sinabs==3.1.3",), script=SINABS, dialect="sinabs"),
    Framework(requirements=("tonic==1.7.0",)),
    Framework(requirements=("neurobench==2.3.0",)),
)
Finding = tuple[bool, str]


def requirements(extra: str = "") -> list[str]:
    """Return what spikeport itself asks pip for, with one of its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *(project["optional-dependencies"][extra] if extra else ())]


def resolver(folder: Path) -> Path:
    """Return a uv of our own: it resolves from metadata, without downloading PyTorch for each framework."""
    venv.create(folder / "resolver", with_pip=True)
    good(folder / "resolver" / "bin" / "python", "-m", "pip", "install", "--quiet", "uv", folder=folder)
    return folder / "resolver" / "bin" / "uv"


def resolved(uv: Path, wanted: Sequence[str], folder: Path) -> Finding:
    """Return whether ``wanted`` resolve together, and the versions, or the reason why not."""
    (folder / "wanted.in").write_text("\n".join(wanted) + "\n", encoding="utf-8")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    options = ("--python-version", version, "--no-header", "--no-annotate")
    done = call(uv, "pip", "compile", "wanted.in", *options, folder=folder)
    if done.returncode:
        return False, f"conflict: {' '.join(done.stderr.split())}"
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", done.stdout, re.MULTILINE))
    versions = ", ".join(f"{name} {pins[name]}" for name in SHOWN if name in pins)
    return True, f"resolved: {len(pins)} packages, {versions}"


def all_resolved(folder: Path) -> Iterator[Finding]:
    """Resolve spikeport, alone and with its training, beside every framework."""
    uv = resolver(folder)
    for framework in FRAMEWORKS:
        for extra in ("", "train"):
            ok, text = resolved(uv, [*requirements(extra), *framework.requirements], folder)
            yield ok, f"{f'spikeport[{extra}]' if extra else 'spikeport':16} {framework.name:26} {text}"


def all_installed(folder: Path) -> Iterator[Finding]:
    """Install a wheel of spikeport beside each framework with a script, and import what the framework writes."""
    good(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", ROOT, folder=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    (folder / "torch.txt").write_text("\n".join(re.findall(r"^torch==.*", pins, re.MULTILINE)), encoding="utf-8")
    for framework in FRAMEWORKS:
        if framework.script:
            yield installed(framework, wheel, folder)


def installed(framework: Framework, wheel: Path, folder: Path) -> Finding:
    """Install, write a network with the framework, and import it."""
    work = folder / re.sub(r"\W", "-", framework.name)
    venv.create(work, with_pip=True)
    python, wanted = work / "bin" / "python", (wheel, *framework.requirements)
    steps = (
        (python, "-m", "pip", "install", "--quiet", "--constraint", folder / "torch.txt", *wanted),
        (python, "-c", framework.script),
        (work / "bin" / "spikeport", "import", "model.nir", "--dialect", framework.dialect, "--steps", "5",
         "--out", "model.safetensors"),
        (python, "-c", "import nir; print(nir.version)"),
    )  # fmt: skip
    for step in steps:
        done = call(*step, folder=work)
        if done.returncode:
            return False, f"{framework.name}: {step[1:4]} ended with {done.returncode}: {done.stderr.strip()[-500:]}"
    return (
        True,
        f"{framework.name}, installed with nir {done.stdout.strip()}: spikeport imports the file that it writes",
    )


def main() -> int:
    """Resolve, or install; print a line per finding and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help="install some of them as well; takes gigabytes")
    chosen = parser.parse_args()
    findings = []
    with tempfile.TemporaryDirectory(prefix="spikeport-beside-") as name:
        looks = [all_resolved, *([all_installed] if chosen.install else ())]
        for ok, text in (finding for look in looks for finding in look(Path(name))):
            print(f"{'ok ' if ok else 'BAD'}  {text}", flush=True)
            findings.append(ok)
    return 0 if all(findings) else 1


if __name__ == "__main__":
    sys.exit(main())
