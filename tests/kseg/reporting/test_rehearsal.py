"""How long a report takes, measured on a few images."""

import shutil

import numpy as np
import pytest

from kseg.core.runs import BEST, CONFIG
from kseg.data.open import open_data
from kseg.reporting.rehearsal import TimedSplit, rehearse_report


def test_a_timed_split_has_some_images_and_notes_when_they_are_read(data_folder):
    whole = open_data(str(data_folder)).split("val")
    some = TimedSplit(whole, [1])
    assert some.names == whole.names[1:2] and some.sizes == whole.sizes[1:2]
    np.testing.assert_array_equal(some.read(0).image, whole.read(1).image)
    some.read(0)
    assert len(some.times) == 2 and some.times == sorted(some.times)


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
