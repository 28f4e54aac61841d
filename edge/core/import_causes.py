"""Causes of failed imports, and what is said about each: one line with the remedy.

A message is a function of the package that our code imports and of what the text of the
error matched.
"""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Callable, FrozenSet, List, Match, Tuple

from edge.core.libraries import FOR_WINDOWS, how_to_install
from edge.core.system import address_bits

OURS = ("edge", "kseg", "benchmarks", "tests")
WHEELS = {  # of modules that have another name than their package
    "cv2": "opencv-python-headless",
    "ai_edge_litert": "ai-edge-litert",
    "tflite_runtime": "tflite-runtime",
    "tf_keras": "tf-keras",
    "tensorflow_model_optimization": "tensorflow-model-optimization",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
OPENCV = ("opencv-python", "opencv-contrib-python")  # each has a -headless too
TFLITE_FILE = "edge/board/requirements-tflite-runtime.txt"


def installed(names: Tuple[str, ...]) -> List[str]:
    """Those of the packages that are installed."""
    found = []
    for name in names:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        found.append(name)
    return found


def wheel_of(module: str) -> str:
    """The package that pip installs for a module; of OpenCV the one that is there."""
    if module == "cv2":
        with_windows = installed(OPENCV)
        return (with_windows or [WHEELS["cv2"]])[0]
    return WHEELS.get(module, module)


def without_windows() -> str:
    """The commands that replace the installed OpenCV with one without windows."""
    headless = tuple(f"{name}-headless" for name in OPENCV)
    there = installed((*OPENCV, *headless)) or [OPENCV[0]]
    kept = headless[any("contrib" in name for name in there)]
    return f"pip uninstall -y {' '.join(there)} && pip install {kept}"


def missing_module(module: str, found: Match[str]) -> str:
    whole = found.group(1)
    root = whole.partition(".")[0]
    if root in OURS:
        return f"{whole}: is missing; copy the whole folder {root} again"
    if root != whole:
        return (
            f"{root}: its part {whole} is missing, or is for another Python or "
            f"processor; pip install --force-reinstall {wheel_of(root)}"
        )
    if root in standard_modules():
        return (
            f"{module}: needs Python's own module {root}, which {sys.executable} "
            f"({platform.python_version()}) lacks; use the system's Python, or a "
            f"version that {module} is made for"
        )
    return (
        f"{root}: is not installed for {sys.executable}; pip install {wheel_of(root)}"
    )


def standard_modules() -> FrozenSet[str]:
    """The modules that belong to Python, and those that newer versions lack."""
    known = getattr(sys, "stdlib_module_names", ())  # since Python 3.10
    return frozenset((*known, "_ctypes", "_lzma", "_bz2", "distutils", "imp"))


def other_protobuf(module: str, _: Match[str]) -> str:
    return (
        f"{module}: was built for another version of protobuf than the installed one; "
        f"pip install --upgrade protobuf {wheel_of(module)}"
    )


def missing_library(module: str, found: Match[str]) -> str:
    path = Path(found.group(1))
    if "/" in found.group(1) and path.is_file():
        return wrong_processor(module, found)
    remedy = how_to_install(path.name)
    if module == "cv2":
        package = remedy.rpartition(" ")[2]
        others = " ".join(name for name in FOR_WINDOWS if name != package)
        remedy += f" {others}, or use OpenCV without windows: {without_windows()}"
    return f"{module}: this system lacks {path.name}; {remedy}"


def wrong_processor(module: str, found: Match[str]) -> str:
    return (
        f"{module}: {found.group(1)} was built for another processor or system than "
        f"this one ({platform.machine()}, {address_bits()} bits); make a new virtual "
        "environment on this machine and install the packages there"
    )


def damaged_file(module: str, found: Match[str]) -> str:
    return (
        f"{module}: {found.group(1)} is damaged; "
        f"pip install --force-reinstall {wheel_of(module)}"
    )


def old_c_library(module: str, found: Match[str]) -> str:
    version = platform.libc_ver()[1] or "an older one"
    older = f"an older {wheel_of(module)}"
    if module == "ai_edge_litert":
        older = TFLITE_FILE
    return (
        f"{module}: needs {found.group(1)} of the C library, this system has "
        f"{version}; use a newer system (Debian 12, Raspberry Pi OS Bookworm), or "
        f"install {older}"
    )


def old_cpp_library(module: str, found: Match[str]) -> str:
    return (
        f"{module}: needs {found.group(1)}, which this system's libstdc++.so.6 lacks; "
        "use a newer system (in conda: conda install -c conda-forge libstdcxx-ng), or "
        f"an older {wheel_of(module)}"
    )


def other_numpy(module: str, _: Match[str]) -> str:
    version = metadata.version("numpy") if installed(("numpy",)) else "one"
    if module == "tflite_runtime":
        remedy = f"pip install -r {TFLITE_FILE}, or install ai-edge-litert instead"
    elif version.startswith("1."):
        remedy = f'pip install "numpy>=2", or an older {wheel_of(module)}'
    elif module == "cv2":
        remedy = 'pip install "numpy<2" "opencv-python-headless<4.12"'
    else:
        remedy = f'pip install "numpy<2", or a newer {wheel_of(module)}'
    return (
        f"{module}: was built for another NumPy than the installed {version}; {remedy}"
    )


def no_thread_memory(module: str, found: Match[str]) -> str:
    return (
        f"{module}: {found.group(1)} is loaded too late (static TLS); start with "
        f"LD_PRELOAD={found.group(1)} before the command"
    )


def damaged_opencv(_: str, found: Match[str]) -> str:
    version = getattr(sys.modules.get("cv2"), "__version__", "")
    if version:  # it is whole, but old
        return (
            f"cv2: OpenCV {version} is too old for this program ({found.group(0)}); "
            f"pip install --upgrade {wheel_of('cv2')}"
        )
    return (
        "cv2: OpenCV is incomplete, as after two of its packages were installed over "
        f"each other; {without_windows()}"
    )


def old_processor(module: str, found: Match[str]) -> str:
    return (
        f"{module}: needs instructions that this processor lacks ({found.group(1)}); "
        f"install an older version of {wheel_of(module)}"
    )


# An absolute path may contain spaces.
FILE = r"(?:^|: |\(|\n)(/[^:\n]*|[^\s:'\"()]+)"
CAUSES: Tuple[Tuple[str, Callable[[str, Match[str]], str]], ...] = (
    (FILE + r": cannot open shared object file", missing_library),
    (r"Error loading shared library ([^\s:]+)", missing_library),  # Alpine
    (FILE + r": wrong ELF class", wrong_processor),
    (FILE + r": (?:file too short|invalid ELF header|cannot read)", damaged_file),
    (r"version [`']?(GLIBC_[\d.]+)'? not found", old_c_library),
    (r"version [`']?((?:GLIBCXX|CXXABI)_[\d.]+)'? not found", old_cpp_library),
    (FILE + r": cannot allocate memory in static TLS block", no_thread_memory),
    (r"_ARRAY_API not found|numpy\.core\.multiarray failed to import", other_numpy),
    (
        r"numpy\.dtype size changed|compiled (?:against|using) (?:ABI|NumPy)",
        other_numpy,
    ),
    (r"incompatible Protobuf|Descriptors cannot be created directly", other_protobuf),
    (r"baseline optimizations: (\([^)]*\))", old_processor),
    (r"module 'cv2(?:\.\w+)*' has no attribute '\w+'", damaged_opencv),
    (r"Check OpenCV installation", damaged_opencv),
    (r"No module named '([\w.]+)'", missing_module),
)
