"""The readers of video files and streams, for tests that hold for each of them."""

from importlib.util import find_spec

import pytest

needs_pyav = pytest.mark.skipif(
    not find_spec("av"), reason="PyAV is missing: pip install av"
)


@pytest.fixture(params=[pytest.param("pyav", marks=needs_pyav), "opencv"])
def reader(request, monkeypatch) -> str:
    """The name of a reader, which the test and its child processes use."""
    monkeypatch.setenv("KSEG_READER", request.param)
    return request.param
