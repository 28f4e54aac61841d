"""A server shared by several tests of a file."""

import pytest


@pytest.fixture(scope="module")
def running_web():
    """A server of an endless scene."""
    from tests.support.viewer import running, scene

    with running(scene()) as (shown, _):
        yield shown
