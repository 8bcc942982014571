"""Finding Python 3.10 and the environment; the clear sentence where either is missing."""

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spikeport.export.errors import LavaError
from spikeport.export.executors import lava, reference
from spikeport.export.lava import doctor, environment
from spikeport.export.stimulus import random_stimulus
from spikeport.export.trace import record


def test_missing_environment_says_what_to_run(monkeypatch, tmp_path):
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(tmp_path / "none"))
    with pytest.raises(LavaError, match=r"no Lava environment in .*none; run 'spikeport lava install'"):
        environment.python()


def test_environment_with_another_python_is_refused(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / environment.MARKER).write_text("{}")
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(tmp_path))
    with pytest.raises(LavaError, match=r"does not start as Python 3\.10"):
        environment.python()


def test_chosen_python_that_is_another_version_is_named(monkeypatch):
    monkeypatch.setenv("SPIKEPORT_LAVA_PYTHON", sys.executable)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(LavaError, match=rf"Lava needs Python 3\.10; tried .* \(is Python {version}\)"):
        environment.find_base_python()


def test_python_on_the_path_that_does_not_start_is_passed_over(monkeypatch, tmp_path):
    """pyenv puts a shim called python3.10 on the PATH that fails when no 3.10 is chosen."""
    shim = tmp_path / "python3.10"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    good = tmp_path / "versions" / "3.10.99" / "bin" / "python"
    good.parent.mkdir(parents=True)
    good.write_text("#!/bin/sh\necho 3.10\n")
    good.chmod(0o755)
    monkeypatch.delenv("SPIKEPORT_LAVA_PYTHON", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert environment.find_base_python() == str(good)


def test_failed_installation_leaves_no_marker(monkeypatch, tmp_path):
    home = tmp_path / "env"
    home.mkdir()
    (home / environment.MARKER).write_text('{"packages": []}')
    (home / "pyvenv.cfg").write_text("")
    broken = tmp_path / "python3.10"
    broken.write_text('#!/bin/sh\n[ "$2" = -c ] && echo 3.10 && exit 0\necho "no venv here" >&2; exit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(home))
    monkeypatch.setenv("SPIKEPORT_LAVA_PYTHON", str(broken))
    with pytest.raises(LavaError, match="making the environment failed: no venv here"):
        environment.install()
    assert not (home / environment.MARKER).exists()


def compare(network, given):
    found, expected = (record(each.steps(network, given)) for each in (lava, reference))
    different = sum(int((found[name] != values).sum()) for name, values in expected.items())
    return different, sum(values.size for values in expected.values())


def test_doctor_stops_at_the_first_fault(monkeypatch, tmp_path):
    monkeypatch.setenv("SPIKEPORT_LAVA_PYTHON", str(tmp_path / "nowhere"))
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(tmp_path / "none"))
    (what, good, found), (base, startable, tried) = doctor.examine(compare)
    assert (what, good, base, startable) == ("environment", False, "Python 3.10 to make one with", False)
    assert "no Lava environment" in found
    assert "nowhere (does not start)" in tried


def test_folder_with_something_else_in_it_is_never_cleared(monkeypatch, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(tmp_path))
    for force in (False, True):
        with pytest.raises(LavaError, match="is not empty and no environment of ours; choose another folder"):
            environment.install(force=force)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


MODULES = (
    "lava",
    "pip",
    "venv",
    "ensurepip",
    "json",
    "numpy",
    "importlib",
    "multiprocessing",
    "sitecustomize",
    "spikeport",
)


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """A current folder, also on PYTHONPATH, whose modules would write a file if a child imported them."""
    folder, marker = tmp_path / "downloads", tmp_path / "ran"
    folder.mkdir()
    for name in MODULES:
        (folder / f"{name}.py").write_text(f"open({str(marker)!r}, 'a').write({name + ' '!r})\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONSTARTUP", str(folder / "lava.py"))
    yield folder
    assert not marker.exists(), marker.read_text()


def test_the_hostile_folder_is_hostile(tmp_path):
    """Without isolation its modules do run: the test below can fail."""
    (tmp_path / "json.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write('json')\n")
    subprocess.run([sys.executable, "-c", "import json"], cwd=tmp_path, check=True)
    assert (tmp_path / "ran").exists()


@pytest.mark.usefixtures("hostile")
def test_installation_imports_nothing_from_the_users_folder(monkeypatch, tmp_path):
    """The same commands as ever, with this interpreter and an empty list of packages."""
    home, version = tmp_path / "env", f"{sys.version_info.major}.{sys.version_info.minor}"
    empty = tmp_path / "requirements.txt"
    empty.write_text("# nothing\n")
    monkeypatch.setattr(environment, "PYTHON_VERSION", version)
    monkeypatch.setattr(environment, "REQUIREMENTS", empty)
    monkeypatch.setenv("SPIKEPORT_LAVA_PYTHON", sys.executable)
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(home))
    assert environment.version_of(sys.executable) == version
    assert environment.install() == home
    assert environment.python() == home / "bin" / "python"
    assert environment.install() == home


@pytest.mark.usefixtures("hostile")
def test_search_for_a_python_runs_apart_from_the_users_folder(monkeypatch, tmp_path):
    """uv reads settings, and pyenv's shim a version, from the current folder."""
    monkeypatch.delenv("SPIKEPORT_LAVA_PYTHON", raising=False)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "uv").write_text(f'#!/bin/sh\npwd > {tmp_path}/place\nenv > {tmp_path}/variables\necho "$1 $2 $3"\n')
    (tools / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}/usr/bin:/bin")
    monkeypatch.setattr(shutil, "which", lambda name: str(tools / "uv") if name == "uv" else None)
    assert list(environment.base_pythons()) == ["python find 3.10"]
    assert (tmp_path / "place").read_text() == "/\n"
    assert "PYTHON" not in (tmp_path / "variables").read_text()


@pytest.mark.lava
def test_lava_runs_apart_from_the_users_folder(hostile):
    assert hostile == Path.cwd()
    assert environment._content(environment.folder()) >= environment._normalized(environment.pinned())
    network = doctor.small_network()
    assert len(list(lava.steps(network, random_stimulus(network, 1, 0)))) == network.steps


def test_users_settings_of_pip_reach_it(monkeypatch, tmp_path):
    """Mirrors and wheels stay as chosen; what was named by its place in the current folder gets its full path."""
    (tmp_path / "wheels").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "wheels https://mirror.example/wheels /opt/none")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    variables = environment._variables()
    assert variables["PIP_INDEX_URL"] == "https://mirror.example/simple"
    assert variables["PIP_FIND_LINKS"] == f"{tmp_path}/wheels https://mirror.example/wheels /opt/none"
    assert "PYTHONHOME" not in variables


def test_second_installation_waits_for_the_first_and_uses_what_it_made(monkeypatch, tmp_path):
    home, made, complete, said, waits = tmp_path / "env", [], [], [], threading.Event()
    monkeypatch.setattr(environment, "announce", lambda text: (said.append(text), waits.set()))
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(home))
    monkeypatch.setattr(environment, "_complete", lambda *_: bool(complete))
    monkeypatch.setattr(environment, "_make", lambda *_: made.append("second"))
    with environment._alone(home) as waited:
        assert not waited
        second = threading.Thread(target=environment.install)
        second.start()
        assert waits.wait(60)
        assert second.is_alive()
        complete.append(True)
    second.join(timeout=60)
    assert not second.is_alive()
    assert made == []
    assert f"another installation into {home} is at work" in said[0]


def test_installation_that_another_has_just_made_is_not_made_again(monkeypatch, tmp_path):
    """It is complete only once the lock is held: the first ended between the look and the lock."""
    looks, made = iter([False, True]), []
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(tmp_path / "env"))
    monkeypatch.setattr(environment, "_complete", lambda *_: next(looks))
    monkeypatch.setattr(environment, "_make", lambda *_: made.append("again"))
    environment.install()
    assert made == []


def test_every_package_is_pinned_with_hashes():
    text = environment.REQUIREMENTS.read_text()
    packages = environment.pinned()
    assert {"lava-nc==0.10.0", "numpy==1.26.4"} <= set(packages)
    assert len(packages) == len(re.findall(r"^[^\s#]", text, re.MULTILINE))
    for block in re.split(r"^(?=[\w])", text, flags=re.MULTILINE)[1:]:
        assert re.fullmatch(r"[\w.-]+==[\w.]+( \\\n    --hash=sha256:[0-9a-f]{64})+\n", block), block


@pytest.mark.lava
def test_doctor_says_what_differs():
    findings = doctor.examine(lambda *_: (3, 468))
    assert findings[-1] == ("a small network", False, "3 of 468 neuron steps differ from the reference")


@pytest.mark.lava
def test_doctor_runs_a_network_where_all_is_well():
    findings = doctor.examine(compare)
    assert [good for _, good, _ in findings] == [True, True]
    assert findings[-1][2] == "468 neuron steps equal to the reference"
