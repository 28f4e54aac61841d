"""Reads the tensors of a file of PyTorch without PyTorch, and without running it.

`torch.save` writes a pickle, and an ordinary unpickler calls whatever the file names.
This one knows only what a dict of tensors needs: ordered dicts, tensors and typed
storages; any other name is refused. Both layouts are read: the zip archive of PyTorch
1.6 and later, and the pickles followed by raw numbers of versions before.
"""

from __future__ import annotations

import pickle
import zipfile
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterator, Mapping, NamedTuple

import numpy as np
from keras import layers

SUFFIXES = (".pth", ".pt", ".whl")
MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of the older layout
DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


class Storage(NamedTuple):
    """A list of numbers in the file."""

    key: str
    dtype: np.dtype
    count: int


class Tensor(NamedTuple):
    """A view of a storage; `offset` and `strides` count numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, storages: Mapping[str, np.ndarray]) -> np.ndarray:
        """A copy of its numbers. Raises ValueError if they are not all in the file."""
        numbers = storages[self.storage.key]
        sides = (self.offset, *self.shape, *self.strides)
        if not all(isinstance(side, int) and side >= 0 for side in sides):
            raise ValueError("a tensor has negative sides")
        if len(self.shape) != len(self.strides) or prod(self.shape) > len(numbers):
            raise ValueError("a tensor is larger than its numbers")
        pairs = zip(self.shape, self.strides, strict=True)
        last = self.offset + sum((side - 1) * step for side, step in pairs)
        if prod(self.shape) and last >= len(numbers):
            raise ValueError("a tensor is larger than its numbers")
        steps = [step * numbers.itemsize for step in self.strides]
        view = np.lib.stride_tricks.as_strided(
            numbers[self.offset :], self.shape, steps, writeable=False
        )
        return view.copy()


class Names(dict):
    """In place of an ordered dict, whose attributes are ignored."""

    def __setstate__(self, state: Any) -> None:
        pass


def rebuilt(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise ValueError("a tensor has no storage")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): Names,
    ("torch._utils", "_rebuild_tensor_v2"): rebuilt,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    **{("torch", name): np.dtype(dtype) for name, dtype in DTYPES.items()},
}


class TensorUnpickler(pickle.Unpickler):
    """Unpickles dicts of tensors; refuses every other class and function."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise ValueError(f"it contains {module}.{name}, which is not a tensor")
        return KNOWN[module, name]

    def persistent_load(self, pid: Any) -> Storage:
        kind, dtype, key, _, count, *view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or any(view):
            raise ValueError("it contains a storage of an unknown kind")
        return Storage(str(key), dtype, int(count))


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Name -> array of each tensor of a .pth file, or of the only one in a wheel.

    Raises ValueError, OSError or an error of pickle or zipfile for a damaged file and
    for one that contains anything but tensors.
    """
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return read_older(file)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        index = [name for name in names if name.endswith("/data.pkl")]
        inner = [name for name in names if name.endswith(".pth")]
        if len(index) == 1:
            return read_archive(archive, index[0].removesuffix("data.pkl"))
        if len(inner) == 1:
            return read_older(BytesIO(archive.read(inner[0])))
    raise ValueError("it is not a file of PyTorch")


def read_archive(archive: zipfile.ZipFile, folder: str) -> dict[str, np.ndarray]:
    """The tensors of a zip archive: data.pkl, and a file of numbers by storage."""
    order = f"{folder}byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise ValueError("its numbers are not in the order of little-endian machines")
    content = TensorUnpickler(BytesIO(archive.read(f"{folder}data.pkl"))).load()
    tensors = tensors_in(content)
    storages = {tensor.storage for tensor in tensors.values()}
    numbers = {
        storage.key: np.frombuffer(
            archive.read(f"{folder}data/{storage.key}"), storage.dtype
        )
        for storage in storages
    }
    return {name: tensor.array(numbers) for name, tensor in tensors.items()}


def read_older(file: BinaryIO) -> dict[str, np.ndarray]:
    """The tensors of the older layout: five pickles, then the numbers of each storage.

    The pickles are a magic number, a version, facts about the machine, the content, and
    the keys of the storages in the order of their numbers.
    """
    if TensorUnpickler(file).load() != MAGIC:
        raise ValueError("it is not a file of PyTorch")
    TensorUnpickler(file).load()
    if not TensorUnpickler(file).load().get("little_endian"):
        raise ValueError("its numbers are not in the order of little-endian machines")
    tensors = tensors_in(TensorUnpickler(file).load())
    known = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    numbers = {}
    for key in TensorUnpickler(file).load():
        storage = known[key]
        (count,) = np.frombuffer(file.read(8), "<i8").tolist()
        content = file.read(storage.count * storage.dtype.itemsize)
        if count != storage.count:
            raise ValueError("a storage has another size than the content says")
        numbers[key] = np.frombuffer(content, storage.dtype)
    return {name: tensor.array(numbers) for name, tensor in tensors.items()}


def tensors_in(content: Any) -> dict[str, Tensor]:
    """The tensors of a state dict, which may be the value of a key `state_dict`."""
    if not isinstance(content, dict):
        raise ValueError("it contains no dict of tensors")
    content = content.get("state_dict", content)
    found = {k: value for k, value in content.items() if isinstance(value, Tensor)}
    if not found:
        raise ValueError("it contains no dict of tensors")
    return found


def weights_by_layer(
    network: Any, tensors: Mapping[str, np.ndarray], name_of: Callable[[str], str]
) -> Iterator[tuple[Any, list[np.ndarray]]]:
    """Each layer with weights, and these from PyTorch's tensors, in Keras's order.

    `name_of` gives the name of a layer there. Kernels OIHW become HWIO, those of
    depthwise convolutions, O1HW, become HWO1. Raises ValueError for one that is missing
    or has another shape.
    """
    for layer in network.layers:
        if not layer.weights:
            continue
        name = name_of(layer.name)
        if isinstance(layer, layers.BatchNormalization):
            parts = ("weight", "bias", "running_mean", "running_var")
            values = [tensors.get(f"{name}.{part}") for part in parts]
        else:
            depthwise = isinstance(layer, layers.DepthwiseConv2D)
            kernel = tensors.get(f"{name}.weight")
            axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
            values = [None if kernel is None else np.transpose(kernel, axes)]
        shapes = [None if value is None else value.shape for value in values]
        if shapes != [tuple(weight.shape) for weight in layer.weights]:
            raise ValueError(f"{name} is missing or has another shape")
        yield layer, [value for value in values if value is not None]
