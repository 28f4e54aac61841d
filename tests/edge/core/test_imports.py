"""What is said about packages that are missing or broken."""

import platform
import sys
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge.core.arguments
from edge.core.errors import InputError
from edge.core.import_causes import wheel_of
from edge.core.imports import explain, explained_imports, quiet_imports
from edge.core.libraries import debian_package

linux = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="the messages of glibc's loader"
)


@pytest.fixture
def said(tmp_path, monkeypatch):
    """The message for a package of the given name whose code raises an error."""

    def of(name: str, code: str) -> str:
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, name, raising=False)
        with pytest.raises(InputError) as refusal, quiet_imports():
            import_module(name)
        message = str(refusal.value)
        assert "\n" not in message and message.startswith(f"{name}: ")
        return message

    return of


@pytest.fixture
def extension(tmp_path, monkeypatch):
    """Imports a copy of a compiled module with other bytes; the message."""
    (real,) = Path(np.__file__).parent.glob("fft/_pocketfft_umath*.so")
    name, folder = real.name.partition(".")[0], tmp_path / "a folder"
    folder.mkdir()

    def of(change) -> str:
        (folder / real.name).write_bytes(change(real.read_bytes()))
        monkeypatch.syspath_prepend(folder)
        with pytest.raises(InputError) as refusal, quiet_imports():
            import_module(name)
        assert "\n" not in str(refusal.value)
        return str(refusal.value)

    return of


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("libGL.so.1", "libgl1"),
        ("libxcb.so.1", "libxcb1"),
        ("libgthread-2.0.so.0", "libglib2.0-0"),
        ("libgomp.so.1", "libgomp1"),
        ("libSM.so.6", "libsm6"),
        ("libxcb-icccm.so.4", "libxcb-icccm4"),
        ("libusb-1.0.so.0", "libusb-1.0-0"),
        ("libgtk-3.so.0", "libgtk-3-0"),
        ("libgcc_s.so.1", "libgcc-s1"),
        ("libz.so.1", "zlib1g"),
        ("libcurl.so.4", "libcurl4"),
        ("libcudnn.so.9", ""),
        ("libcublasLt.so.12", ""),
        ("libnvinfer.so.10", ""),
    ],
)
def test_the_debian_packages_of_libraries(library, package):
    assert debian_package(library) == package


@pytest.mark.parametrize(
    "library", ["libGL.so.1", "libxcb.so.1", "libgthread-2.0.so.0"]
)
def test_a_library_of_opencvs_windows(said, library):
    """Both remedies: what apt installs, and OpenCV without windows."""
    text = f"{library}: cannot open shared object file: No such file or directory"
    message = said("cv2", f"raise ImportError({text!r})")
    assert f"lacks {library}; sudo apt install {debian_package(library)} " in message
    assert "pip install opencv-python-headless" in message


@linux
def test_a_library_of_another_package(extension):
    """libm.so.6 by another name: what the loader of this system says is explained."""
    message = extension(lambda data: data.replace(b"libm.so.6\0", b"libq.so.6\0"))
    assert message.endswith("this system lacks libq.so.6; sudo apt install libq6")


@linux
def test_a_newer_c_library(extension):
    message = extension(lambda data: data.replace(b"GLIBC_2.14\0", b"GLIBC_2.99\0"))
    assert f"needs GLIBC_2.99 of the C library, this system has {glibc()};" in message


def glibc() -> str:
    return platform.libc_ver()[1]


@linux
@pytest.mark.parametrize(("place", "value"), [(4, 1), (18, 8)])
def test_another_processor(extension, place, value):
    """Bytes 4 and 18 of an ELF file: width (1: 32 bits), processor (8: MIPS)."""
    message = extension(lambda data: data[:place] + bytes([value]) + data[place + 1 :])
    assert "a folder/_pocketfft_umath" in message
    assert (
        f"was built for another processor or system than this one ({platform.machine()}"
        in message
    )


@linux
@pytest.mark.parametrize("content", [b"", b"version https://git-lfs" + bytes(200)])
def test_a_damaged_file(extension, content):
    message = extension(lambda _: content)
    assert "is damaged; pip install --force-reinstall " in message


@pytest.mark.parametrize(
    "code",
    [
        "raise ImportError('numpy.core.multiarray failed to import')",
        "raise AttributeError('_ARRAY_API not found')",
        "raise ValueError('numpy.dtype size changed, may indicate incompatibility')",
        "raise RuntimeError('module compiled against ABI version 0x1000009 but this')",
    ],
)
def test_another_numpy(said, capfd, monkeypatch, code):
    """NumPy's page about it, on stderr, is not shown."""
    monkeypatch.setattr(sys, "stderr", open(2, "w", encoding="utf-8", closefd=False))
    noise = "import sys; print('A module that was compiled', file=sys.stderr)\n"
    message = said("tflite_runtime", noise + code)
    assert (
        f"another NumPy than the installed {np.__version__}; pip install -r" in message
    )
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import absent_package", "absent_package: is not installed for .*; pip"),
        (
            "raise ModuleNotFoundError(\"No module named '_lzma'\", name='_lzma')",
            "needs Python's own module _lzma, which .* lacks; use the system's Python",
        ),
        ("import edge.core.absent", "edge.core.absent: is missing; copy the whole"),
        ("import json.absent", "json: its part json.absent is missing"),
    ],
)
def test_a_module_that_is_missing(code, words):
    with pytest.raises(InputError, match=words), explained_imports():
        exec(code, {"__name__": "edge.app.camera"})


def test_numpys_long_text_is_cut_to_its_cause(said):
    text = "\n\nIMPORTANT: PLEASE READ THIS\n\nOriginal error was: libopenblas.so.0: "
    text += "cannot open shared object file: No such file or directory\n"
    message = said("numpy_like", f"raise ImportError({text!r})")
    assert message.endswith("lacks libopenblas.so.0; sudo apt install libopenblas0")


def test_other_reasons_are_given_as_they_are(said):
    message = said("cv2", "raise ImportError('DLL load failed while importing cv2')")
    assert "cannot be imported (DLL load failed while importing cv2); " in message
    assert message.endswith(f"pip install --force-reinstall {wheel_of('cv2')}")


def test_memory_for_threads(said):
    """As on a Jetson, where OpenMP is loaded after others."""
    text = "/usr/lib/libgomp.so.1: cannot allocate memory in static TLS block"
    assert "LD_PRELOAD=/usr/lib/libgomp.so.1" in said(
        "cv2", f"raise ImportError({text!r})"
    )


@pytest.mark.parametrize(
    "error",
    [
        "AttributeError(\"module 'cv2' has no attribute 'IMREAD_COLOR'\")",
        "AttributeError(\"partially initialized module 'cv2' has no attribute 'x'\")",
        "ImportError('missing configuration file. Check OpenCV installation.')",
    ],
)
def test_opencv_in_pieces(said, error):
    """What is left when one of two OpenCVs in the same folder is removed."""
    message = said("cv2", f"raise {error}")
    assert (
        "two of its packages were installed over each other; pip uninstall" in message
    )


def test_an_old_opencv():
    error = AttributeError("module 'cv2' has no attribute 'stackBlur'")
    assert explain(error).startswith(f"cv2: OpenCV {cv2.__version__} is too old for ")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a value"),
        AttributeError("module 'edge' has no attribute 'x'"),
        ImportError("cannot import name 'x' from 'edge.core'", name="edge.core"),
    ],
)
def test_our_own_errors_are_not_explained(error):
    assert explain(error) is None


def test_an_error_after_a_handled_one_is_not_explained():
    """A package that may be absent does not explain what fails later."""
    try:
        try:
            import absent_package  # noqa: F401
        except ImportError:
            raise KeyError("later")  # noqa: B904
    except KeyError as error:
        assert explain(error) is None


def test_a_refusal_passes_unchanged():
    with pytest.raises(InputError, match="^No module named 'x'$"), explained_imports():
        raise InputError("No module named 'x'")


def test_commands_say_it_in_one_line(said, capsys):
    def main(argv):
        import absent_package  # noqa: F401

    with pytest.raises(SystemExit) as ended:
        edge.core.arguments.run("camera_demo", main)
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "camera_demo: absent_package: is not installed for "
        f"{sys.executable}; pip install absent_package\n"
    )


def test_python_may_be_too_old(monkeypatch, capsys):
    monkeypatch.setattr(edge.core.arguments, "OLDEST_PYTHON", (9, 0))
    with pytest.raises(SystemExit) as ended:
        edge.core.arguments.run("camera_demo", lambda argv: 0)
    assert ended.value.code == 2
    assert "camera_demo: needs Python 9.0 or newer" in capsys.readouterr().err
