"""One tiny run of the whole pipeline, shared by the tests that look at its artefacts."""

import pytest

import spikeport
from tests.toolchain.networks import RECIPE


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="session")
def tiny_run(recipe, tmp_path_factory):
    """Return the folder of a finished run; tests must not change it."""
    folder = tmp_path_factory.mktemp("run")
    assert spikeport.run(recipe, folder).passed
    return folder
