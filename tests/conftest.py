"""Fixtures that several test files share."""

import os

import pytest
from hypothesis import HealthCheck, settings

from export.errors import LavaError
from export.lava import environment

settings.register_profile(
    "default",
    deadline=None,
    max_examples=int(os.environ.get("SPIKEPORT_EXAMPLES", "40")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _lava_environment(request):
    """Skip what needs Lava where it is not installed; fail instead where CI says that it must be there."""
    if request.node.get_closest_marker("lava") is None:
        return
    try:
        environment.python()
    except LavaError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
