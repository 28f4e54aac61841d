"""What the tests of both packages share."""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.core.log import show_log
from tests.support.budgets import over_budget
from tests.support.environments import python_with
from tests.support.leftovers import entries

ROOT = Path(__file__).resolve().parents[1]
BEFORE, LEFT = pytest.StashKey[set[str]](), pytest.StashKey[list[str]]()
# Each worker of pytest-xdist computes on one core, and so do the processes that it
# starts. Set before NumPy and TensorFlow are imported, which read it once. Tests marked
# `serial` run without workers and have all cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in (
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
    ):
        os.environ.setdefault(name, "1")
# XLA optimizes for longer than a tiny network then runs: three steps of two networks on
# JAX take 43 s of processor time with optimization and 25 s without.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of models and data sets beside the project."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: it holds the models that this test runs")
    return folder


@pytest.fixture(scope="session")
def deeplab(shared) -> Path:
    """A model nobody here made: uint8 [1, 513, 513, 3] -> int64 [1, 513, 513]."""
    return shared / "models" / "deeplabv3_mnv2_dm05_pascal_quant.tflite"


@pytest.fixture(scope="session")
def bird(shared) -> Path:
    """An image of a bird, 513x513."""
    return shared / "models" / "bird_segmentation.bmp"


@pytest.fixture(scope="session")
def bird_mask(shared) -> Path:
    """Its ids, 513x513: 3 is bird."""
    return shared / "models" / "bird_segmentation_mask.bmp"


def pytest_configure(config) -> None:
    """Logs are shown as commands show them.

    What models came to on this machine before must not decide a test.
    """
    show_log()
    keep_files_in_memory()
    config.stash[BEFORE] = entries(ROOT)
    os.environ["KSEG_CACHE"] = tempfile.mkdtemp(prefix="kseg-tests-")


def keep_files_in_memory() -> None:
    """Temporary files of tests are in memory where there is room for them.

    kseg waits until what it writes is on the disk: 15 ms for each file, thousands of
    times. The slow tests have 200 MB of files at once.
    """
    memory = Path("/dev/shm")  # of Linux
    if memory.is_dir() and shutil.disk_usage(memory).free > 4 * 2**30:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_finish(session) -> None:
    """The garbage collector leaves alone what was imported and collected.

    Those are millions of objects that stay. To examine them takes half a second or
    more, each time that Keras or Python asks for it.
    """
    if "not slow" in session.config.option.markexpr:
        leave_graphs_as_they_are()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def leave_graphs_as_they_are() -> None:
    """TensorFlow optimizes no graphs in a worker's process.

    It optimizes for longer than a tiny network then runs: a tenth of a short training.
    Slow tests, those marked `serial` and the processes that tests start have graphs as
    users have them.
    """
    if "PYTEST_XDIST_WORKER" in os.environ and "tensorflow" in sys.modules:
        options = sys.modules["tensorflow"].config.optimizer
        options.set_experimental_options({"disable_meta_optimizer": True})


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ.pop("KSEG_CACHE"), ignore_errors=True)


def pytest_sessionfinish(session) -> None:
    """In CI a run fails where tests leave files in the project."""
    session.config.stash[LEFT] = sorted(entries(ROOT) - session.config.stash[BEFORE])
    if session.config.stash[LEFT] and "CI" in os.environ:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config) -> None:
    """Lists the tests that took longer than they should, and what they left."""
    if left := config.stash.get(LEFT, []):
        terminalreporter.section("new in the project: tests must write into tmp_path")
        for line in left:
            terminalreporter.write_line(f"  {line}")
    stats = terminalreporter.stats
    reports = [r for kind in ("passed", "failed") for r in stats.get(kind, ())]
    if lines := over_budget(reports):
        terminalreporter.section("over their budget of time")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def tflite_runtime() -> Path:
    """The Python of an environment with tflite-runtime 2.14."""
    if sys.version_info >= (3, 12):
        pytest.skip("tflite-runtime 2.14, its last, is for Python up to 3.11")
    requirements = ROOT / "edge" / "board" / "requirements-tflite-runtime.txt"
    return python_with("tflite-runtime", requirements.read_text(encoding="utf-8"))


FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
# Of each element with text of its own: contrast with what is behind it (WCAG 2.2).
CONTRASTS = """
const channels = text => text.match(/[\\d.]+/g).map(Number);
const linear = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const shares = [0.2126, 0.7152, 0.0722];
const light = c => shares.reduce((sum, share, i) => sum + share * linear(c[i]), 0);
const behind = e => {
  for (; e; e = e.parentElement) {
    const color = channels(getComputedStyle(e).backgroundColor);
    if (color.length < 4 || color[3] > 0) return color;
  }
  return [255, 255, 255];
};
return [...document.body.querySelectorAll('*')]
  .filter(e => [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()))
  .map(e => {
    const [a, b] = [getComputedStyle(e).color, 0].map(
      (c, i) => light(i ? behind(e) : channels(c)) + 0.05);
    return [Math.max(a, b) / Math.min(a, b), e.outerHTML.slice(0, 80)];
  });
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium without a window, in a profile of its own."""
    webdriver = pytest.importorskip("selenium.webdriver")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("no chromium and chromedriver: apt install chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    service = webdriver.ChromeService(driver)
    with webdriver.Chrome(options, service) as chrome:
        yield chrome


@pytest.fixture
def look(browser) -> Callable[[str, str, int], None]:
    """`look(address, scheme, width)` opens a page as seen on such a screen."""

    def open_page(address: str, scheme: str, width: int) -> None:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1}
        screen["mobile"] = width < 600
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.get_log("performance")  # of what was there before
        browser.get(address)

    return open_page


@pytest.fixture
def contrasts_of(browser) -> Callable[[], list]:
    """(contrast, beginning of it) of each element of the page with text of its own."""
    return lambda: browser.execute_script(CONTRASTS)
