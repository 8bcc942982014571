"""Files of the shared tiny run."""

import pytest


@pytest.fixture
def network(tiny_run):
    return tiny_run / "quantize/network.safetensors"


@pytest.fixture
def held_out(tiny_run):
    return tiny_run / "export/held_out.npz"
