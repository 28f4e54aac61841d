"""The small data folder and the run of kseg's tests."""

from tests.kseg.conftest import data_folder, trained

__all__ = ["data_folder", "trained"]
