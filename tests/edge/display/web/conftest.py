"""The server that several tests of a file look at."""

import pytest


@pytest.fixture(scope="module")
def running_web():
    """A server before a scene without end."""
    from tests.support.viewer import running, scene

    with running(scene()) as (shown, _):
        yield shown
