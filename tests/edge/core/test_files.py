"""Files that are complete or missing, in any folder and under any name."""

import json
import math
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge.core import files
from edge.core.errors import InputError
from edge.core.files import (
    LEFT_SECONDS,
    atomic_write,
    cache_folder,
    json_text,
    make_folder,
    no_empty_folder,
    part_of,
    try_writing,
    write_json,
    write_text,
)
from tests.support.posix import needs_posix, under_rights

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("stem", ["a", "n" * 251, "ж" * 125, "\udce9" * 251])
def test_a_name_as_long_as_any_can_be_written(tmp_path, stem):
    """255 bytes are the most on Linux; the temporary name must not be longer."""
    path = tmp_path / f"{stem}.txt"
    write_text(path, "done\n")
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_text(encoding="utf-8") == "done\n"


def test_long_names_that_begin_alike_have_temporary_names_that_differ():
    one, two = (part_of(Path("out", "n" * 200 + end + ".png")) for end in "ab")
    assert one != two
    assert {len(one.name), len(two.name)} == {1 + 16 + 1 + 31 + len(".part.png")}


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ValueError), atomic_write(path) as part:
        part.write_bytes(b"half")
        raise ValueError
    assert os.listdir(tmp_path) == ["a.txt"] and path.read_bytes() == b"old"


WRITE = """
import sys
from pathlib import Path
from edge.core.files import write_text

path, letter, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for _ in range(200):
    write_text(path, letter * size)
"""


def test_two_processes_that_write_one_file_leave_it_complete(tmp_path):
    path, texts = tmp_path / "a.txt", ("a" * 300_000, "b" * 10)
    write_text(path, texts[0])
    commands = [
        [sys.executable, "-c", WRITE, str(path), text[0], str(len(text))]
        for text in texts
    ]
    writers = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    while any(writer.poll() is None for writer in writers):
        assert path.read_text(encoding="utf-8") in texts
    assert [writer.returncode for writer in writers] == [0, 0]
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("stem", ["a", "[a]", "n" * 240])
def test_a_temporary_file_is_another_writers_until_it_is_old(tmp_path, stem):
    path = tmp_path / f"{stem}.txt"
    with atomic_write(path) as first, atomic_write(path) as second:
        assert first == part_of(path) and second != first
        first.write_bytes(b"1")
        second.write_bytes(b"2")
        assert len(first.name) + 13 == len(second.name) and second.suffix == ".txt"
    assert os.listdir(tmp_path) == [path.name] and path.read_bytes() == b"1"
    left = [first, second, tmp_path / ".a-other.part.txt"]
    for each in left:
        each.write_bytes(b"half")
    write_text(path, "new")
    assert sorted(tmp_path.iterdir()) == sorted([path, *left])
    for each in left:
        then = each.stat().st_mtime - LEFT_SECONDS - 1
        os.utime(each, (then, then))
    write_text(path, "newer")
    assert sorted(tmp_path.iterdir()) == sorted([path, left[2]])
    assert path.read_bytes() == b"newer"


def test_bytes_of_a_name_that_are_no_utf8_are_escaped(tmp_path):
    write_text(tmp_path / "a.csv", "caf\udce9.png,é\n")
    assert (tmp_path / "a.csv").read_bytes() == "caf\\udce9.png,é\n".encode()


@needs_posix
def test_the_file_behind_a_link_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "a.txt")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "a.txt").read_text(encoding="utf-8") == "new"


@needs_posix
def test_a_pipe_gets_the_content_and_stays_a_pipe(tmp_path):
    """So does /dev/null, which root could replace by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    try_writing(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        write_text(pipe, "through")
        assert reader.stdout.read() == b"through"
    assert stat.S_ISFIFO(pipe.stat().st_mode) and os.listdir(tmp_path) == ["pipe"]


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path):
    path = tmp_path / "gone" / "a.txt"
    with pytest.raises(FileNotFoundError) as error:
        write_text(path, "lost")
    assert error.value.filename == str(path)


def test_a_name_that_no_file_can_have_is_known_before(tmp_path):
    with pytest.raises(OSError, match="File name too long"):
        try_writing(tmp_path / ("n" * 256))
    assert os.listdir(tmp_path) == []


@needs_posix
def test_a_folder_without_rights_is_known_before(tmp_path):
    (tmp_path / "kept").mkdir(mode=0o500)
    code = """
import sys
from pathlib import Path
from edge.core.arguments import writable
from edge.core.files import make_folder
kept = Path(sys.argv[1])
for work in (lambda: writable(str(kept / "a.json")), lambda: make_folder(kept),
             lambda: make_folder(kept / "more")):
    try:
        work()
    except Exception as error:
        print(str(error).replace(str(kept), "kept"))
"""
    command = [*under_rights(), sys.executable, "-c", code, tmp_path / "kept"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    reason = "(Permission denied); change its rights or choose another place"
    assert done.stdout.splitlines() == [
        f"'kept/a.json' cannot be written {reason}",
        f"kept: cannot be written to {reason}",
        f"kept/more: cannot be created {reason}",
    ]
    assert done.stderr == ""


@needs_posix
def test_a_user_without_a_home_has_a_cache_of_their_own(tmp_path, monkeypatch):
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("KSEG_CACHE", raising=False)
    monkeypatch.setattr(files.Path, "home", no_home)
    monkeypatch.setattr(files.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = cache_folder()
    assert folder == tmp_path / f"kseg-{os.geteuid()}" == cache_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()
    folder.symlink_to(tmp_path)  # laid there by another
    with pytest.raises(InputError, match="set HOME or KSEG_CACHE"):
        cache_folder()


def test_a_user_number_without_a_name_is_enough():
    code = "from edge.core.files import cache_folder; print(cache_folder())"
    unset = {k: v for k, v in os.environ.items() if k not in ("HOME", "KSEG_CACHE")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=unset, capture_output=True
    )
    assert done.returncode == 0, done.stderr


def refuse(name):
    raise ValueError(f"{name} is no JSON")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_become_null(value):
    content = {"scores": [0.5, value], "box": (value, 1), "name": "a", "none": None}
    text = json_text(content)
    assert json.loads(text, parse_constant=refuse) == {
        "scores": [0.5, None],
        "box": [None, 1],
        "name": "a",
        "none": None,
    }


def test_finite_content_is_written_as_it_is(tmp_path):
    content = {"a": [1, 2.5, True], "é": "\udce9"}
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert text == json.dumps(content, indent=1) + "\n"


ROOT = Path(__file__).resolve().parents[3]
# What the same program compares or reads, a checkpoint, which refuses nan, and the
# quotes of a text in TOML.
OTHERS = {
    "edge/core/files.py",
    "kseg/core/configs.py",
    "kseg/data/objects_file.py",
    "kseg/training/checkpoint.py",
    "kseg/training/tuning/record.py",
}


def test_json_is_made_in_one_place():
    files = [path for name in ("edge", "kseg") for path in (ROOT / name).rglob("*.py")]
    writers = [
        path for path in files if "json.dump" in path.read_text(encoding="utf-8")
    ]
    assert {path.relative_to(ROOT).as_posix() for path in writers} == OTHERS


def test_folders_that_stay_empty_are_removed_after_an_error(tmp_path):
    (tmp_path / "there").mkdir()
    cases = (("new", ""), ("new/er", ""), ("there", ""), ("there/in", ""))
    for name, file in (*cases, ("full/in", "../a.txt"), ("full/b", "a.txt")):
        with pytest.raises(ZeroDivisionError), no_empty_folder(tmp_path / name):
            make_folder(tmp_path / name)
            if file:
                (tmp_path / name / file).touch()
            _ = 1 / 0
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert found == {"there", "full", "full/a.txt", "full/b", "full/b/a.txt"}
