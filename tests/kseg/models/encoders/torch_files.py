"""Files of PyTorch written by hand, without PyTorch."""

import pickle
import struct
import zipfile

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C


def tensor_code(shape, strides, offset=0, count=6, key="0", kind="FloatStorage"):
    """The pickle code of a tensor on a storage, in the text form of protocol 0."""
    sides = "".join(f"I{side}\n" for side in shape)
    steps = "".join(f"I{step}\n" for step in strides)
    storage = f"(Vstorage\nctorch\n{kind}\nV{key}\nVcpu\nI{count}\nNtQ"
    return (
        f"ctorch._utils\n_rebuild_tensor_v2\n({storage}I{offset}\n"
        f"({sides}t({steps}tI00\n(dtR"
    )


def dict_code(tensors):
    """The pickle of a dict of tensors, given by name as code."""
    items = "".join(f"V{name}\n{code}s" for name, code in tensors.items())
    return f"(d{items}.".encode()


def older_file(path, content, storages, little=True):
    """Writes the layout of versions before 1.6; `storages` are arrays by key."""
    heads = [MAGIC, 1001, {"little_endian": little}]
    body = b"".join(pickle.dumps(head, 2) for head in heads)
    body += content + pickle.dumps(list(storages), 2)
    for numbers in storages.values():
        body += struct.pack("<q", len(numbers)) + np.asarray(numbers).tobytes()
    path.write_bytes(body)
    return path


def zip_file(path, content, storages, order=b"little"):
    """Writes the layout of version 1.6 and later."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", content)
        archive.writestr("net/byteorder", order)
        for key, numbers in storages.items():
            archive.writestr(f"net/data/{key}", np.asarray(numbers).tobytes())
    return path


def state_file(path, tensors):
    """Writes a dict of float32 arrays in the older layout."""
    codes, storages = {}, {}
    for index, (name, array) in enumerate(tensors.items()):
        steps = [step // 4 for step in np.zeros(array.shape, np.float32).strides]
        codes[name] = tensor_code(array.shape, steps, 0, array.size, str(index))
        storages[str(index)] = np.float32(array).ravel()
    return older_file(path, dict_code(codes), storages)
