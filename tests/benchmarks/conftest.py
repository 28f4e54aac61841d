"""Fixtures of the tests of kseg: small data folders and trained runs."""

from tests.kseg.conftest import data_folder, object_data, trained, trained_objects

__all__ = ["data_folder", "object_data", "trained", "trained_objects"]
