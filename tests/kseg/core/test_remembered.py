"""Results of checks are remembered with the size and times of their files."""

import logging
import os

import numpy as np
import pytest

from kseg.core.plain import from_plain, to_plain
from kseg.core.remembered import FOLDER, Spoken, Stamps, checked, opened, remove_unused

LONG_AGO = 1_500_000_000_123_456_789  # nanoseconds since 1970


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / FOLDER


@pytest.fixture
def files(tmp_path):
    made = [tmp_path / f"{name}.txt" for name in "abc"]
    for number, path in enumerate(made):
        path.write_text(f"{number}", encoding="utf-8")
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return made


class Reader:
    """Reads files as numbers, and notes which."""

    def __init__(self):
        self.read = []

    def __call__(self, path):
        self.read.append(path.stem)
        return int(path.read_text(encoding="utf-8"))


def numbers(files, about=("numbers",), **options):
    """The numbers in files, and the stems of those that were read."""
    reader = Reader()
    found = checked(reader, files, "numbers", about, lambda path: (path,), **options)
    return found, "".join(sorted(reader.read))


def test_files_are_read_once(files):
    assert numbers(files) == ([0, 1, 2], "abc")
    assert numbers(files) == ([0, 1, 2], "")


def test_a_file_of_another_size_or_time_is_read_again(files):
    numbers(files)
    files[0].write_text("10", encoding="utf-8")
    os.utime(files[0], ns=(LONG_AGO, LONG_AGO))
    files[1].write_text("7", encoding="utf-8")  # as long as before
    os.utime(files[1], ns=(LONG_AGO, LONG_AGO + 1_000_000))
    assert numbers(files) == ([10, 7, 2], "ab")


def test_a_file_whose_time_was_set_back_is_read_again(files):
    """The time of the last change of its status cannot be set."""
    numbers(files)
    files[2].write_text("5", encoding="utf-8")
    os.utime(files[2], ns=(LONG_AGO, LONG_AGO))
    assert numbers(files) == ([0, 1, 5], "c")


def test_results_depend_on_what_they_are_about(files):
    numbers(files, about=("numbers", "two classes"))
    assert numbers(files, about=("numbers", "three classes"))[1] == "abc"


def test_results_that_may_pass_are_not_remembered(files):
    numbers(files, keep=lambda number: number != 1)
    assert numbers(files) == ([0, 1, 2], "b")


def test_what_was_said_about_a_file_is_said_again(files, caplog):
    def number_of(path):
        number = int(path.read_text(encoding="utf-8"))
        if number == 1:
            logging.getLogger("kseg.data").warning("%s: is odd", path.name)
        return number

    for _ in range(2):
        assert checked(number_of, files, "numbers", ("odd",), lambda p: (p,)) == [
            0,
            1,
            2,
        ]
    assert caplog.text.count("b.txt: is odd") == 2
    assert not [h for h in logging.getLogger("kseg").handlers if isinstance(h, Spoken)]


def test_what_was_done_before_an_error_is_remembered(files):
    files[2].write_text("many", encoding="utf-8")
    with pytest.raises(ValueError, match="many"):
        numbers(files)
    files[2].write_text("3", encoding="utf-8")
    assert numbers(files) == ([0, 1, 3], "c")


def test_after_ctrl_c_the_same_call_continues(files, caplog):
    def stopped(result):
        if result == 1:
            raise KeyboardInterrupt
        return True

    with pytest.raises(KeyboardInterrupt):
        numbers(files, keep=stopped)
    assert "numbers: 2 of 3 are checked; the same command continues" in caplog.text
    assert numbers(files) == ([0, 1, 2], "bc")
    assert "1 of 3 are unchanged since they were checked; checking the other 2" in (
        caplog.text
    )


def test_a_file_that_was_changed_just_now_is_no_proof(files):
    """It may be changed again within the resolution of its time."""
    os.utime(files[0])
    assert Stamps().stamp(files[0]) is None
    stamps = Stamps()
    stamps.now = files[0].stat().st_mtime_ns + 1_000_000_000
    assert stamps.stamp(files[0]) is not None
    whole = 1_600_000_000_000_000_000  # a file system that keeps seconds
    os.utime(files[0], ns=(whole, whole))
    for later, known in ((2, False), (3, True)):
        stamps = Stamps()
        stamps.now = whole + later * 1_000_000_000
        assert (stamps.stamp(files[0]) is not None) == known


def test_missing_files_are_not_remembered(tmp_path):
    assert Stamps().key([tmp_path / "gone"]) is None


def test_without_a_cache_folder_all_is_read(files, tmp_path, monkeypatch):
    monkeypatch.setenv("KSEG_CACHE", str(files[0]))  # no folder
    assert numbers(files) == ([0, 1, 2], "abc")
    assert numbers(files) == ([0, 1, 2], "abc")


def test_a_damaged_database_is_replaced(files, cache):
    numbers(files)
    (database,) = cache.iterdir()
    database.write_bytes(b"no database" * 100)
    assert numbers(files) == ([0, 1, 2], "abc")
    assert numbers(files) == ([0, 1, 2], "")


def test_a_damaged_result_is_found_out_again(files):
    numbers(files)
    with opened(("numbers",)) as memory:
        memory.database.execute("UPDATE results SET value = '[\"array\", 1]'")
    assert numbers(files) == ([0, 1, 2], "abc")


def test_databases_that_nobody_uses_are_removed(files, cache):
    numbers(files)
    (database,) = cache.iterdir()
    remove_unused(cache)
    assert database.exists()
    os.utime(database, ns=(LONG_AGO, LONG_AGO))
    remove_unused(cache)
    assert not database.exists()


# --- values ---


def test_facts_come_back_as_they_were():
    from kseg.data.checks.scan import MaskFacts
    from kseg.data.pairs import FileIssue

    counts = np.arange(256, dtype=np.int64)
    issue = FileIssue("ids", "train", "a.png", error="é\udce9")
    value = (MaskFacts(counts, b"\0\xff"), [issue], {"size": (np.int64(3), None)})
    facts, issues, sizes = from_plain(to_plain(value))
    assert facts.counts.dtype == np.int64 and facts.digest == b"\0\xff"
    np.testing.assert_array_equal(facts.counts, counts)
    assert issues == [issue] and sizes == {"size": (3, None)}
    facts.counts[0] = 1  # it is not read-only


def test_only_records_of_kseg_are_made():
    for content in (
        ["record", "os", "system", {}],
        ["record", "kseg.api", "train", {}],
    ):
        with pytest.raises(ValueError, match="is not a record"):
            from_plain(content)
    with pytest.raises(TypeError, match="set cannot be kept"):
        to_plain({"ids": {1, 2}})
