"""Fixtures of the tests of kseg: a small data folder and a trained run."""

from tests.kseg.conftest import data_folder, trained

__all__ = ["data_folder", "trained"]
