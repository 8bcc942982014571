"""Finding Python 3.10 and the environment; the clear sentence where either is missing."""

import os
import sys

import pytest

from spikeport.export.errors import LavaError
from spikeport.export.lava import doctor, environment


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
    broken.write_text('#!/bin/sh\n[ "$1" = -c ] && echo 3.10 && exit 0\necho "no venv here" >&2; exit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(home))
    monkeypatch.setenv("SPIKEPORT_LAVA_PYTHON", str(broken))
    with pytest.raises(LavaError, match="making the environment failed: no venv here"):
        environment.install()
    assert not (home / environment.MARKER).exists()


def test_doctor_stops_at_the_first_fault(monkeypatch, tmp_path):
    monkeypatch.setenv("SPIKEPORT_LAVA_PYTHON", str(tmp_path / "nowhere"))
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(tmp_path / "none"))
    (what, good, found), (base, startable, tried) = doctor.examine()
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


@pytest.mark.lava
def test_doctor_runs_a_network_where_all_is_well():
    findings = doctor.examine()
    assert [good for _, good, _ in findings] == [True, True]
    assert findings[-1][2] == "468 neuron steps equal to the reference"
