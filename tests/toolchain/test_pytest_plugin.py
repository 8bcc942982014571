"""The plugin in suites of others, and the example folder whose CI uses it."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from spikeport.export import archive
from spikeport.export.lava.doctor import small_network

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path):
    """The example repository with a network in it."""
    folder = tmp_path / "repository"
    shutil.copytree(ROOT / "examples" / "ci", folder)
    archive.write(small_network(), folder / "network.safetensors")
    return folder


def run_pytest(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_example_repository_passes(repository):
    done = run_pytest(repository, "--spikeport-network", "network.safetensors", "-v")
    assert done.returncode == 0, done.stdout
    assert "test_every_executor_gives_the_same_spikes[network.safetensors] PASSED" in done.stdout


@pytest.fixture
def own_names(repository):
    """A repository whose own packages have the names of our folders, with content of their own."""
    for name in ("export", "hardware_profiles", "toolchain"):
        (repository / name).mkdir()
        (repository / name / "__init__.py").write_text("OWN = True\n")
    (repository / "tests" / "__init__.py").write_text("")
    (repository / "tests" / "test_own.py").write_text(
        "import export, hardware_profiles, toolchain\n\n\n"
        "def test_own_packages_are_the_repositorys():\n"
        "    assert export.OWN and hardware_profiles.OWN and toolchain.OWN\n"
    )
    return repository


@pytest.mark.parametrize("start", [("-m", "pytest"), (str(Path(sys.executable).with_name("pytest")),)])
def test_a_repository_keeps_its_own_export_toolchain_and_tests(own_names, start):
    """``python -m pytest`` puts the repository first on the path, ``pytest`` its root; neither disturbs the plugin."""
    options = ("-p", "no:cacheprovider", "--spikeport-network", "network.safetensors", "-v")
    done = subprocess.run(
        [sys.executable, *start, *options], cwd=own_names, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_own_packages_are_the_repositorys PASSED" in done.stdout
    assert "test_every_executor_gives_the_same_spikes[network.safetensors] PASSED" in done.stdout


def test_without_a_network_the_test_is_skipped(repository):
    done = run_pytest(repository)
    assert "1 skipped" in done.stdout


def test_difference_fails_with_its_place(repository):
    """A fidelity that finds a difference makes the suite fail: here onnx is made to see another network."""
    (repository / "conftest.py").write_text(
        "import spikeport.export.executors.onnx as onnx, dataclasses\n"
        "original = onnx.steps\n"
        "def steps(network, stimulus, **options):\n"
        "    for step in original(network, stimulus, **options):\n"
        "        yield dataclasses.replace(step, spikes={n: ~s for n, s in step.spikes.items()})\n"
        "onnx.steps = steps\n"
    )
    done = run_pytest(repository, "--spikeport-network", "network.safetensors")
    assert done.returncode == 1
    assert "onnx" in done.stdout


def test_unsafe_network_is_refused_with_its_reason(repository):
    network = small_network()
    unsafe = replace(network, projections=tuple(replace(p, exponent=15) for p in network.projections))
    archive.write(unsafe, repository / "network.safetensors")
    done = run_pytest(repository, "--spikeport-network", "network.safetensors")
    assert done.returncode == 1
    assert "not proven to stay in its registers" in done.stdout


def test_action_runs_what_it_says(repository, tmp_path):
    """The composite action's own script, with its inputs as the service would set them."""
    action = yaml.safe_load((ROOT / ".github" / "actions" / "check" / "action.yml").read_text())
    defaults = {name: entry.get("default", "") for name, entry in action["inputs"].items()}
    step = action["runs"]["steps"][1]
    inputs = {**defaults, "network": "network.safetensors", "junit": str(tmp_path / "verdict.xml")}
    variables = {
        key: inputs[value.removeprefix("${{ inputs.").removesuffix(" }}")] for key, value in step["env"].items()
    }
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", step["run"]], cwd=repository, env={"PATH": path, **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "<testsuites" in (tmp_path / "verdict.xml").read_text()
    workflow = yaml.safe_load((repository / ".github" / "workflows" / "fidelity.yml").read_text())
    used = [each["uses"] for each in workflow["jobs"]["check"]["steps"] if "uses" in each]
    assert any(".github/actions/check" in each for each in used)
    steps = workflow["jobs"]["check"]["steps"]
    given = next(each["with"] for each in steps if "actions/check@" in each.get("uses", ""))
    assert set(given) <= set(action["inputs"])


@pytest.mark.parametrize(
    ("package", "code", "installed"),
    [
        ("", 0, f"-m pip install --quiet -- {ROOT}/.github/actions/check/../../.."),
        ("spikeport==0.1.0", 0, "-m pip install --quiet -- spikeport==0.1.0"),
        ("--index-url=http://localhost", 2, ""),
        ("-r", 2, ""),
    ],
)
def test_action_installs_its_own_checkout_or_a_package_that_is_no_option(tmp_path, package, code, installed):
    action = yaml.safe_load((ROOT / ".github" / "actions" / "check" / "action.yml").read_text())
    assert action["inputs"]["package"]["default"] == ""
    step = action["runs"]["steps"][0]
    assert step["env"] == {"PACKAGE": "${{ inputs.package }}", "ACTION": "${{ github.action_path }}"}
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@" > "$RECORD"\n')
    python.chmod(0o755)
    record = tmp_path / "record"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", step["run"]], capture_output=True, text=True, check=False,
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin", "PACKAGE": package, "RECORD": str(record),
            "ACTION": str(ROOT / ".github" / "actions" / "check"),
        },
    )  # fmt: skip
    assert done.returncode == code
    assert (record.read_text().strip() if record.exists() else "") == installed
    assert ("begins with '-'" in done.stderr) == (code == 2)


def test_actions_of_others_are_pinned_to_a_commit():
    workflow = (ROOT / "examples" / "ci" / ".github" / "workflows" / "fidelity.yml").read_text()
    used = [line.split("uses: ")[1].split()[0] for line in workflow.splitlines() if "- uses: " in line]
    others = [each for each in used if not each.startswith("spikeport/")]
    assert len(others) == 2
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", each) for each in others)
    assert "@main" not in workflow
