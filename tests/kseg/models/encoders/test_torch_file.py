"""Tensors of files of PyTorch: files by hand, files that lie, and PyTorch's own."""

import pickle
import zipfile

import numpy as np
import pytest

from kseg.models.encoders.torch_file import read_tensors
from tests.kseg.models.encoders.torch_files import (
    dict_code,
    older_file,
    tensor_code,
    zip_file,
)

NUMBERS = {"0": np.arange(6, dtype=np.float32)}
GRID = dict_code({"a.weight": tensor_code((2, 3), (3, 1))})
each_layout = pytest.mark.parametrize("write", (older_file, zip_file))


@each_layout
def test_a_file_by_hand(write, tmp_path):
    found = read_tensors(write(tmp_path / "a.pth", GRID, NUMBERS))
    assert found["a.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["a.weight"].dtype == np.float32


@each_layout
def test_views_of_one_storage(write, tmp_path):
    content = dict_code(
        {
            "turned": tensor_code((3, 2), (1, 3)),
            "row": tensor_code((3,), (1,), offset=3),
            "scalar": tensor_code((), (), offset=5),
        }
    )
    found = read_tensors(write(tmp_path / "a.pth", content, NUMBERS))
    assert found["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found["row"].tolist() == [3, 4, 5]
    assert found["scalar"].shape == () and found["scalar"] == 5


def test_a_wheel_with_one_such_file(tmp_path):
    inner = older_file(tmp_path / "a.pth", GRID, NUMBERS)
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.write(inner, "package/models/a.pth")
        wheel.writestr("package/__init__.py", "")
    assert read_tensors(tmp_path / "a.whl")["a.weight"].shape == (2, 3)


# Sizes that point outside of the numbers, or repeat them without end.
LIES = {
    "longer": tensor_code((7,), (1,)),
    "offset": tensor_code((6,), (1,), offset=1),
    "stride": tensor_code((2, 3), (4, 1)),
    "negative": tensor_code((2,), (-1,), offset=5),
    "repeated": tensor_code((1_000_000, 1_000_000), (0, 0)),
    "ranks": tensor_code((2, 3), (3,)),
    "text": tensor_code((2,), (1,)).replace("I2\n", "V2\n"),
}


@each_layout
@pytest.mark.parametrize("lie", LIES)
def test_sizes_that_do_not_fit_are_refused(write, lie, tmp_path):
    path = write(tmp_path / "a.pth", dict_code({"a": LIES[lie]}), NUMBERS)
    with pytest.raises(ValueError):
        read_tensors(path)


class Call:
    """Unpickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@each_layout
@pytest.mark.parametrize("function", (eval, getattr, exec, open))
def test_nothing_in_the_file_is_called(write, function, tmp_path):
    mark = tmp_path / "called"
    content = pickle.dumps({"a": Call(function, f"open({str(mark)!r}, 'w')")}, 2)
    path = write(tmp_path / "a.pth", content, NUMBERS)
    with pytest.raises(ValueError, match="which is not a tensor"):
        read_tensors(path)
    assert not mark.exists()


def test_the_first_pickles_are_restricted_too(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(pickle.dumps(Call(exec, "raise SystemExit"), 2))
    with pytest.raises(ValueError, match="__builtin__.exec, which is not a tensor"):
        read_tensors(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(pickle.dumps(7))
    with pytest.raises(ValueError, match="not a file of PyTorch"):
        read_tensors(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "")
    with pytest.raises(ValueError, match="not a file of PyTorch"):
        read_tensors(path)
    for content in (pickle.dumps([1, 2], 2), pickle.dumps({"a": 1}, 2)):
        with pytest.raises(ValueError, match="no dict of tensors"):
            read_tensors(older_file(path, content, {}))


@pytest.mark.parametrize("bytes_left", (10, 200, -9))
def test_a_file_that_was_cut_is_refused(bytes_left, tmp_path):
    path = older_file(tmp_path / "a.pth", GRID, NUMBERS)
    path.write_bytes(path.read_bytes()[:bytes_left])
    with pytest.raises((ValueError, EOFError, pickle.UnpicklingError)):
        read_tensors(path)


def test_the_other_order_of_bytes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="little-endian"):
        read_tensors(zip_file(tmp_path / "a.pth", GRID, NUMBERS, b"big"))
    with pytest.raises(ValueError, match="little-endian"):
        read_tensors(older_file(tmp_path / "b.pth", GRID, NUMBERS, little=False))


@pytest.mark.slow
@pytest.mark.parametrize("layout", (True, False), ids=("zip", "older"))
def test_files_of_pytorch(layout, tmp_path):
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    state = module.state_dict()
    state["half"] = torch.rand(3, 2).half().T
    path = tmp_path / "a.pth"
    torch.save(state, path, _use_new_zipfile_serialization=layout)
    found = read_tensors(path)
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())
