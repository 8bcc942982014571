"""A pytest plugin: export fidelity as a test of your own suite.

    def test_my_network_is_exact(spikeport_fidelity):
        verdict = spikeport_fidelity()
        assert verdict.passed, verdict.text()

``pytest --spikeport-network network.safetensors`` runs it, once per network given.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from spikeport import Verdict


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("spikeport")
    group.addoption("--spikeport-network", action="append", default=[], metavar="FILE", help="archive to check")
    group.addoption("--spikeport-input", metavar="FILE", help="images (.npz or .npy); random samples without")
    group.addoption("--spikeport-executors", default="onnx,nir", help="comma-separated; default: onnx,nir")
    group.addoption("--spikeport-require", default="", help="executors without which there is no verdict")
    group.addoption("--spikeport-samples", type=int, default=20, help="random samples where no input is given")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for a network once per network."""
    if "spikeport_network" in metafunc.fixturenames:
        paths = metafunc.config.getoption("--spikeport-network")
        metafunc.parametrize("spikeport_network", paths, indirect=True)


@pytest.fixture
def spikeport_network(request: pytest.FixtureRequest) -> Path:
    """Return the network of this run; without ``--spikeport-network`` the test is skipped."""
    return Path(request.param)


@pytest.fixture
def spikeport_fidelity(spikeport_network: Path, request: pytest.FixtureRequest) -> "Callable[..., Verdict]":
    """Return a function that compares executors with the fast one and returns a `spikeport.Verdict`.

    ``images``: a file, an array or a stimulus; the other arguments are fields of `spikeport.CheckSettings`. The command
    line's options are their defaults.
    """
    option = request.config.getoption

    def check(images: Any = None, **changes: Any) -> "Verdict":
        import spikeport  # noqa: PLC0415 - a suite that does not use the plugin does not pay for it

        names, required = (
            tuple(name.strip() for name in option(f"--spikeport-{each}").split(",") if name.strip())
            for each in ("executors", "require")
        )
        settings = {"executors": names, "require": required, "samples": option("--spikeport-samples"), **changes}
        given = option("--spikeport-input") if images is None else images
        return spikeport.check(spikeport_network, given, settings=spikeport.CheckSettings(**settings))

    return check
