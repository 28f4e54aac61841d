"""Debian's packages of shared libraries, for messages about missing ones."""

from __future__ import annotations

import re

# What Debian's rule for names does not give, or where another package brings it too.
# Raspberry Pi OS and Ubuntu have the same names.
PACKAGES = {
    "libGL.so.1": "libgl1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgobject-2.0.so.0": "libglib2.0-0",
    "libgio-2.0.so.0": "libglib2.0-0",
    "libz.so.1": "zlib1g",
    "libbz2.so.1.0": "libbz2-1.0",
    "libcblas.so.3": "libatlas3-base",
    "libf77blas.so.3": "libatlas3-base",
    "libatlas.so.3": "libatlas3-base",
    "libjpeg.so.62": "libjpeg62-turbo",
    "libc++.so.1": "libc++1",
    "libavutil.so.57": "libavutil57",
    "libgstapp-1.0.so.0": "libgstreamer-plugins-base1.0-0",
    "libgstvideo-1.0.so.0": "libgstreamer-plugins-base1.0-0",
    "libgstreamer-1.0.so.0": "libgstreamer1.0-0",
}
CUDA = "cuda|cublas|cudnn|cufft|curand|cusparse|cusolver|nccl|nvinfer|nvonnx|nvrtc"
# Debian has no package of these; whose they are is all that can be said.
OTHERS = (
    (r"libedgetpu\.", "libedgetpu1-std of Coral's package repository"),
    (rf"lib({CUDA})", "NVIDIA's CUDA and its libraries"),
    (r"libcamera", "python3-picamera2 of Raspberry Pi OS"),
)
# What the wheels of OpenCV with windows load, one after the other. libgl1 and libsm6
# depend on packages of the rest, such as libxcb1.
FOR_WINDOWS = ("libgl1", "libglib2.0-0", "libsm6", "libxext6")


def debian_package(library: str) -> str:
    """The Debian package of a shared library; "" if Debian has none.

    For a library that is not in the table it is the name that Debian's policy
    requires: the library's name and version, with a hyphen between two digits.

    >>> debian_package("libgthread-2.0.so.0"), debian_package("libxcb.so.1")
    ('libglib2.0-0', 'libxcb1')
    >>> debian_package("libX11.so.6"), debian_package("libcudart.so.12")
    ('libx11-6', '')
    """
    if library in PACKAGES:
        return PACKAGES[library]
    if owner_of(library):
        return ""
    name, _, version = library.lower().replace("_", "-").partition(".so")
    version = version.lstrip(".").partition(".")[0]
    between = "-" if name[-1:].isdigit() and version else ""
    return f"{name}{between}{version}"


def owner_of(library: str) -> str:
    """What contains a library that Debian does not have; "" for all others."""
    owners = (owner for pattern, owner in OTHERS if re.match(pattern, library))
    return next(owners, "")


def how_to_install(library: str) -> str:
    """The remedy for a missing library, as part of a message.

    >>> how_to_install("libgomp.so.1")
    'sudo apt install libgomp1'
    """
    package = debian_package(library)
    if package:
        return f"sudo apt install {package}"
    return f"it is in {owner_of(library)}"
