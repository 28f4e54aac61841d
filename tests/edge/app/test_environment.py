"""Versions in the JSON of a benchmark."""

from importlib import metadata

import numpy as np

from edge.app.environment import version_of


def test_the_version_of_a_package():
    assert version_of("numpy") == np.__version__ == metadata.version("numpy")


def test_a_package_without_a_version():
    assert version_of("absent-package") == "?"
