from pathlib import Path

import pytest

from edge.core.errors import InputError
from edge.core.inputs import no_folder, read_secret, read_text


def test_a_byte_order_mark_is_left_out(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes(b"\xef\xbb\xbfroad\n")
    assert read_text(path) == "road\n"
    path.write_bytes("straße\r\nweg".encode())
    assert read_text(path) == "straße\nweg"


def test_utf_16_is_known_by_its_mark(tmp_path):
    path = tmp_path / "names.txt"
    for encoding in ("utf-16-le", "utf-16-be"):
        path.write_bytes("\ufeffstraße".encode(encoding))
        assert read_text(path) == "straße"


def test_what_is_no_folder_is_said(tmp_path):
    path = tmp_path / "camvid.tar.gz"
    assert no_folder(path) == "no such folder"
    path.touch()
    assert "is an archive; unpack it" in no_folder(path)
    photo = tmp_path / "a.png"
    photo.touch()
    assert no_folder(photo) == "is a file, not a folder"


def test_other_text_is_an_error(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes("straße".encode("latin-1"))
    with pytest.raises(UnicodeDecodeError):
        read_text(path)


@pytest.mark.parametrize("text", ["Sesam.8810", "Sesam/8810", "x" * 5000])
def test_a_secret_in_place_of_its_file_is_not_shown(tmp_path, text):
    with pytest.raises(InputError, match="--key-file: cannot be read .*name of a file"):
        read_secret("--key-file", Path(text))
    with pytest.raises(InputError) as error:
        read_secret("--key-file", tmp_path / "missing")
    assert str(tmp_path / "missing") in str(error.value)
    with pytest.raises(InputError, match="--key-file .*: cannot be read"):
        read_secret("--key-file", tmp_path)
