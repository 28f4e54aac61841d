"""How long a report takes, measured on a few images."""

import logging
import shutil

import numpy as np
import pytest

from kseg.core.runs import BEST, CONFIG
from kseg.data.open import open_data
from kseg.reporting import rehearsal
from kseg.reporting.rehearsal import TimedSplit, rehearse_report


def test_a_timed_split_has_some_images_and_notes_when_they_are_read(data_folder):
    whole = open_data(str(data_folder)).split("val")
    some = TimedSplit(whole, [1])
    assert some.names == whole.names[1:2] and some.sizes == whole.sizes[1:2]
    np.testing.assert_array_equal(some.read(0).image, whole.read(1).image)
    some.read(0)
    assert len(some.times) == 2 and some.times == sorted(some.times)


def test_the_time_of_all_images_has_that_of_calibration_and_that_of_evaluation(
    data_folder, monkeypatch
):
    """Reads at 0, 1, 2, ... seconds: one a calibration takes 1 s, an evaluation 3 s."""
    data = open_data(str(data_folder))
    total, now = len(data.split("val").sizes), [0.0]
    monkeypatch.setattr(rehearsal, "IMAGES", 3)
    monkeypatch.setattr(rehearsal, "CALIBRATED", 4)
    monkeypatch.setattr(rehearsal.time, "monotonic", lambda: now[0])

    def report(few, folder) -> None:
        for seconds in (1, 3):
            for index in range(3):
                few.split("val").read(index)
                now[0] += seconds

    monkeypatch.setattr(rehearsal, "write_run_report", report)
    found = rehearse_report(data, lambda folder: None)
    few = 3 * 1 + 3 * 3
    more = (min(4, total) - 3) * 1 + (total - 3) * 3
    assert found == (2 * few + more, 3, 0)  # its end takes as long as the few


@pytest.mark.slow
def test_the_report_of_a_few_images_tells_the_time_of_all(trained, data_folder):
    data, folders = open_data(str(data_folder)), []

    def write_run(folder) -> None:
        folders.append(folder)
        for name in (BEST, CONFIG):
            shutil.copy(trained / name, folder / name)

    found = rehearse_report(data, write_run)
    assert found.seconds > found.image >= 0 and found.first >= 0
    assert not folders[0].exists()


def test_what_a_rehearsal_says_is_not_logged(data_folder, monkeypatch, caplog):
    """It is about a few images, and the report says it again."""
    log = logging.getLogger("kseg.somewhere")
    monkeypatch.setattr(
        rehearsal, "write_run_report", lambda *given: log.warning("of a few")
    )
    rehearse_report(open_data(str(data_folder)), lambda folder: None)
    log.warning("after")
    assert caplog.messages[-1] == "after" and "of a few" not in caplog.messages
