"""Real interpreters and delegates; the delegates are compiled by the test."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge.core.errors import GateFailed, InputError
from edge.engines.base import EngineChoice
from edge.engines.select import open_engine
from edge.engines.tflite import TFLite, find_interpreter, load_delegate, replaced_share
from edge.engines.trial import check_engine
from tests.support.posix import needs_linux
from tests.support.tflite import far_scales

# The first fields of TfLiteDelegate (TensorFlow Lite's common.h) are its data and its
# Prepare function; a delegate with an empty Prepare function runs no operator.
LAZY = """
static int prepare(void *context, void *delegate) { return 0; }
static void *delegate[16] = {0, prepare};
"""
FATAL = """
#include <signal.h>
static int delegate_of(void) { raise(SIGILL); return 0; }
"""
PLUGIN = """
void *tflite_plugin_create_delegate(char **k, char **v, unsigned long n, void *e) {
  return CREATED;
}
void tflite_plugin_destroy_delegate(void *d) {}
"""


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """`compiled(name, code, created)` compiles a delegate's shared library."""
    if not shutil.which("cc"):
        pytest.skip("no C compiler (cc) to make a delegate with")

    def make(name: str, code: str, created: str):
        folder = tmp_path_factory.mktemp("delegate")
        source, library = folder / "delegate.c", folder / name
        source.write_text(code + PLUGIN.replace("CREATED", created), encoding="utf-8")
        command = ["cc", "-shared", "-fPIC", "-o", library, source]
        subprocess.run([*map(str, command)], check=True)
        return library

    return make


@pytest.fixture(scope="session")
def lazy(compiled):
    return compiled("lazy.so", LAZY, "delegate")


@pytest.fixture(scope="session")
def fatal(compiled):
    return compiled("fatal.so", FATAL, "(void *)(long)delegate_of()")


def test_shares_equal_manual_results():
    chain = [([0], [1]), ([1], [2]), ([2], [3]), ([3], [4])]
    assert replaced_share(chain) == 0
    assert replaced_share([*chain, ([0], [4])]) == 1
    assert replaced_share([*chain, ([1], [3])]) == 0.5
    assert replaced_share([*chain, ([0], [1]), ([3], [4])]) == 0.5
    fork = [([0], [1]), ([1], [2]), ([1], [3]), ([2, 3], [4])]
    assert replaced_share([*fork, ([1, 3], [2, 4])]) == 0.5
    assert replaced_share([]) == 0


def test_xnnpack_runs_most_operators(deeplab):
    """The model has 72 operators; XNNPACK does not run RESIZE_BILINEAR and ARG_MAX."""
    engine = open_engine(deeplab, "litert", 1)
    assert engine.accelerator == "XNNPACK"
    assert engine.share == pytest.approx(70 / 72)


def test_a_delegate_that_runs_no_operator_is_reported(deeplab, lazy, capsys):
    engine = open_engine(deeplab, delegate=str(lazy))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{deeplab}: litert with {lazy} runs none of its operators")
    assert line.endswith("using litert on the CPU instead")
    assert engine.accelerator == "XNNPACK"
    with pytest.raises(GateFailed, match="runs none of its operators"):
        open_engine(deeplab, delegate=str(lazy), require=True)


def test_labels_are_the_same_with_a_delegate(deeplab, lazy):
    image = np.random.default_rng(0).integers(0, 256, (513, 513, 3), np.uint8)
    plain, lazily = (
        TFLite(deeplab, *find_interpreter("litert"), 2, library)(image)
        for library in (None, str(lazy))
    )
    np.testing.assert_array_equal(plain[0].raw, lazily[0].raw)


def test_a_delegate_that_is_not_a_library(deeplab, tmp_path, capsys):
    missing = tmp_path / "gone.so"
    open_engine(deeplab, delegate=str(missing))
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--delegate {missing}: cannot be loaded" in line
    with pytest.raises(GateFailed, match="cannot be loaded"):
        open_engine(deeplab, delegate=str(missing), require=True)


# LiteRT's Delegate, which was not created, fails when it is deleted.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@needs_linux
def test_a_delegate_whose_library_is_missing(tmp_path):
    """As libedgetpu without libusb: the package of what is missing is named."""
    (real,) = Path(np.__file__).parent.glob("fft/_pocketfft_umath*.so")
    delegate = tmp_path / "delegate.so"
    delegate.write_bytes(real.read_bytes().replace(b"libm.so.6\0", b"libq.so.6\0"))
    with pytest.raises(InputError, match=r"libq\.so\.6: .*; sudo apt install libq6$"):
        load_delegate(find_interpreter("litert")[1], str(delegate))
    with pytest.raises(InputError, match=r"; it is in libedgetpu1-std of Coral's"):
        load_delegate(find_interpreter("litert")[1], "libedgetpu.so.1")


def test_a_delegate_that_crashes_its_process(deeplab, fatal, capsys):
    """Like a library built for another processor."""
    choice = EngineChoice("litert", "ai-edge-litert", 1, str(fatal))
    result = check_engine(deeplab, choice)
    assert result.crashed
    assert "an instruction that this processor does not support" in result.message
    engine = open_engine(deeplab, delegate=str(fatal))
    (line,) = capsys.readouterr().err.splitlines()
    assert "SIGILL" in line and "using litert on the CPU instead" in line
    assert engine.share > 0.9


@pytest.mark.parametrize("name", ["cpu", "litert"])
def test_find_interpreter_by_name(name):
    assert find_interpreter(name)[0] == "litert"


def test_a_model_for_a_missing_interpreter(deeplab):
    try:
        find_interpreter("tflite-runtime")
    except InputError as error:
        assert "pip install tflite-runtime" in str(error)
        with pytest.raises(InputError):
            open_engine(deeplab, "tflite-runtime")


def test_a_file_that_xnnpack_rejects_runs_without_it(tmp_path, capfd):
    """Inputs 1, 2, 3 add up to 6 in every class, beyond the range of its scores."""
    (path := tmp_path / "far.tflite").write_bytes(far_scales(1000))
    engine = open_engine(path, threads=1)
    assert (engine.accelerator, engine.share) == ("", 0)
    line = f"{path}: XNNPACK rejects the model; TFLite's slower kernels run it"
    assert line in capfd.readouterr().err
    image = np.full((8, 8, 3), (1, 2, 3), np.uint8)
    (output,) = engine(image)
    np.testing.assert_allclose(output.dequantize(), 127 / 1000)
    path.write_bytes(far_scales(10))
    assert open_engine(path, threads=1).accelerator == "XNNPACK"
