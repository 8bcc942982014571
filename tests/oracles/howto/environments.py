"""Where other frameworks are installed: a folder that `SPIKEPORT_FRAMEWORKS` names.

    python -m tests.oracles.howto.environments FOLDER

makes it. FOLDER/base is a virtual environment with PyTorch; FOLDER/common holds what all snippets import, and each
FOLDER/FRAMEWORK-VERSION one framework, which is put on the path of base, or is a virtual environment of its own.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

VARIABLE = "SPIKEPORT_FRAMEWORKS"
BASE = ("torch==2.13.0", "numpy==2.2.6", "scipy", "h5py", "pandas", "loguru", "tqdm", "matplotlib", "einops")
COMMON = ("scikit-learn", "joblib", "threadpoolctl", "narwhals", "cloudpickle", "loky")
FRAMEWORKS = {
    "snntorch-1.0.0": ("snntorch==1.0.0", "nir==1.0.8", "nirtorch==2.6"),
    "spikingjelly-2.0.0": ("spikingjelly==2.0.0", "nir==1.0.8", "nirtorch==2.6"),
    "norse-1.1.0": ("norse==1.1.0", "nir==1.0.8", "nirtorch==2.6"),
    "sinabs-3.1.3": ("sinabs==3.1.3", "nir==1.0.4", "nirtorch==2.0.2"),
    "rockpool-3.1.0": ("rockpool==3.1.0", "nir==1.0.8", "nirtorch==2.6"),
}
OWN = {
    "lava-dl-0.6.0": ("3.10", ("lava-dl==0.6.0", "scikit-learn")),
    "tonic-1.7": ("3.11", ("tonic==1.7",)),
}
"""Virtual environments of their own: the Python, and what is installed."""


def missing(framework: str) -> str:
    """Return why a framework's snippets cannot run here, empty where they can."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return f"{VARIABLE} names no folder with frameworks; make one with python -m {__spec__.name} FOLDER"
    if not Path(folder, framework).is_dir():
        return f"{framework} is not in {folder}; make it with python -m {__spec__.name} {folder}"
    return ""


def command(framework: str) -> tuple[list[str], dict[str, str]]:
    """Return the Python that runs a framework's snippets, and the variables that it needs."""
    home = Path(os.environ[VARIABLE]).resolve()
    own = home / framework / "bin" / "python"
    if own.exists():
        return [str(own)], {}
    path = os.pathsep.join(str(home / part) for part in (framework, "common"))
    return [str(home / "base" / "bin" / "python")], {"PYTHONPATH": path}


def install(home: Path) -> None:
    """Make what is not there."""
    if not (home / "base").exists():
        venv.create(home / "base", with_pip=True)
        _pip(home / "base", *BASE)
    for name, packages in {"common": COMMON, **FRAMEWORKS}.items():
        if not (home / name).exists():
            _pip(home / "base", "--no-deps", "--target", str(home / name), *packages)
    for name, (python, packages) in OWN.items():
        if not (home / name).exists():
            subprocess.run([f"python{python}", "-m", "venv", str(home / name)], check=True)
            _pip(home / name, *packages)


def _pip(environment: Path, *arguments: str) -> None:
    subprocess.run([str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", *arguments], check=True)


if __name__ == "__main__":
    install(Path(sys.argv[1]))
