"""Files of the shared tiny run."""

import pytest


@pytest.fixture
def network(tiny_run):
    return tiny_run / "network.safetensors"


@pytest.fixture
def held_out(tiny_run):
    return tiny_run / "held_out.npz"
