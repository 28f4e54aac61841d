"""Files are put in place all together, or not at all."""

from pathlib import Path

import pytest

from edge.core.errors import InputError
from kseg.data.merging.moves import Move, put_all, rename_all


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def tree(folder: Path) -> dict[str, str]:
    """The files of a folder, hidden ones too, and their content."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in files
    }


def test_new_files_and_replaced_ones(tmp_path):
    data = tmp_path / "data"
    text(data / "a.json", "old")
    moves = [
        Move(text(tmp_path / "1", "new"), data / "a.json"),
        Move(text(tmp_path / "2", "image"), data / "val" / "images" / "b.png"),
    ]
    put_all(moves)
    assert tree(data) == {"a.json": "new", "val/images/b.png": "image"}


def test_a_file_that_cannot_be_copied_changes_nothing(tmp_path):
    data = tmp_path / "data"
    text(data / "a.json", "old")
    moves = [
        Move(text(tmp_path / "1", "new"), data / "a.json"),
        Move(tmp_path / "gone", data / "b.png"),
    ]
    with pytest.raises(InputError, match=r"b.png: cannot be written \(No such file"):
        put_all(moves)
    assert tree(data) == {"a.json": "old"}


def test_a_rename_that_fails_undoes_those_before(tmp_path):
    """The third target is a folder."""
    data = tmp_path / "data"
    text(data / "a.json", "old")
    (data / "c.png").mkdir()
    moves = [
        Move(text(tmp_path / "1", "new"), data / "a.json"),
        Move(text(tmp_path / "2", "image"), data / "b.png"),
        Move(text(tmp_path / "3", "image"), data / "c.png"),
    ]
    with pytest.raises(InputError, match=r"c.png: cannot be written"):
        put_all(moves)
    assert tree(data) == {"a.json": "old"}


def test_ctrl_c_between_two_renames_undoes_the_first(tmp_path):
    """The second one is stopped before it is made."""

    class Stopped(type(Path())):
        def replace(self, target):
            raise KeyboardInterrupt

    first = Move(text(tmp_path / "1", "new"), text(tmp_path / "data" / "a", "old"))
    second = Move(Stopped(text(tmp_path / "2", "")), tmp_path / "data" / "b")
    with pytest.raises(KeyboardInterrupt):
        rename_all([first, second])
    assert tree(tmp_path / "data") == {"a": "old"}
