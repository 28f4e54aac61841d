"""Exported files in every engine: equal labels, and one-line errors if damaged.

KSEG_DAMAGED=500 python -m pytest -m full tests/kseg/deploy/test_engines.py -k damaged
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.core.images import read_image
from edge.engines.select import describe, open_engine
from edge.model_file.metadata import info_of
from edge.predict.semantic import SemanticPredictor

ROOT = Path(__file__).resolve().parents[3]
DAMAGED = int(os.environ.get("KSEG_DAMAGED", 90))  # copies of all three files
SWIFTSHADER = Path("/usr/lib/chromium/libvk_swiftshader.so")  # Debian's chromium


@pytest.fixture(scope="module")
def in_onnx(exported, tmp_path_factory) -> Path:
    """A copy of `exported` with model.onnx; other tests read the original."""
    for package in ("onnx", "tf2onnx", "onnxruntime"):
        pytest.importorskip(package)
    from kseg.cli.export import main

    folder = tmp_path_factory.mktemp("onnx") / "run"
    shutil.copytree(exported, folder)
    main([str(folder), "--quantize", "onnx", "--max-drop", "1"])
    return folder / "model.onnx"


@pytest.fixture
def images(data_folder) -> list[np.ndarray]:
    folder = data_folder / "val" / "images"
    return [read_image(path) for path in sorted(folder.iterdir())]


def labels_of(path: Path, images, *options) -> np.ndarray:
    predictor = SemanticPredictor(open_engine(path, *options), info_of(path))
    return np.stack([predictor.predict(image).labels for image in images])


def test_onnx_runtime_gives_the_same_labels(exported, in_onnx, images):
    parity = json.loads((in_onnx.parent / "parity.json").read_text(encoding="utf-8"))
    assert parity["onnx"]["agreement"] > 0.999
    assert parity["onnx"]["bytes"] == in_onnx.stat().st_size
    engine = open_engine(in_onnx, threads=1)
    assert (engine.name, engine.size, engine.channels) == ("onnx", (64, 80), 3)
    lite = labels_of(exported / "float32.tflite", images, "cpu")
    assert (labels_of(in_onnx, images) == lite).mean() >= 0.999


def test_files_of_another_engine_are_rejected(exported, in_onnx):
    from edge.core.errors import GateFailed, InputError

    with pytest.raises(InputError, match="--engine litert runs .tflite files"):
        open_engine(in_onnx, "litert")
    with pytest.raises(InputError, match="--engine onnx runs .onnx files"):
        open_engine(exported / "int8.tflite", "onnx")
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(GateFailed, match="does not have Tensorrt"):
            open_engine(in_onnx, "gpu", require=True)


@pytest.fixture
def software_gpu(tmp_path, monkeypatch) -> None:
    """A Vulkan driver that needs no GPU: SwiftShader, which comes with chromium."""
    pytest.importorskip("ai_edge_litert.compiled_model")
    if not SWIFTSHADER.is_file():
        pytest.skip(f"{SWIFTSHADER} is missing: apt install chromium libvulkan1")
    driver = {"library_path": str(SWIFTSHADER), "api_version": "1.0.5"}
    manifest = tmp_path / "swiftshader.json"
    manifest.write_text(
        json.dumps({"file_format_version": "1.0.0", "ICD": driver}), encoding="utf-8"
    )
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.setenv(name, str(manifest))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


SEGMENT = """
import sys
import numpy as np
from pathlib import Path
sys.path[:0] = [{root!r}]
from edge.engines.select import describe, open_engine
from edge.core.images import read_image
from edge.model_file.metadata import info_of
from edge.predict.semantic import SemanticPredictor
path, folder, out = map(Path, sys.argv[1:])
engine = open_engine(path, "gpu", require=True)
print(describe(engine))
predictor = SemanticPredictor(engine, info_of(path))
images = sorted(folder.iterdir())
np.save(out, np.stack([predictor.predict(read_image(p)).labels for p in images]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_the_gpu_gives_the_same_labels(
    exported, data_folder, images, software_gpu, tmp_path, scheme
):
    """In a separate process, which must also exit cleanly."""
    path, out = exported / f"{scheme}.tflite", tmp_path / "labels.npy"
    arguments = (path, data_folder / "val" / "images", out)
    done = subprocess.run(
        [sys.executable, "-c", SEGMENT.format(root=str(ROOT)), *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("engine gpu, WebGPU runs 100% of the operators")
    expected = labels_of(path, images, "cpu")
    # int8 runs in float there, with other rounding; the network is hardly trained.
    least = {"float32": 0.999, "int8": 0.9}[scheme]
    assert (np.load(out) == expected).mean() >= least
    assert open_engine(path, "auto").name == "litert"  # faster than a software GPU


def test_the_engine_is_described(exported):
    text = describe(open_engine(exported / "float32.tflite", "cpu", threads=2))
    assert text.startswith("engine litert, XNNPACK runs ")
    assert ", 2 threads, first run " in text


RUNNER = """
import sys
import numpy as np
from pathlib import Path
sys.path[:0] = [{root!r}]
from edge.core.errors import InputError
from edge.core.system import limit_process
from edge.engines.select import open_engine
from edge.model_file.metadata import info_of
from edge.predict.semantic import SemanticPredictor
# A size that was damaged would take the memory of other tests.
limit_process({seconds}, 8 << 30)
image = np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)
for path in map(Path, sys.argv[1:]):
    try:
        engine = open_engine(path, "cpu", threads=1)
        predictor = SemanticPredictor(engine, info_of(path))
        labels = predictor.predict(image).labels
        print(path.name, "runs", labels.shape, flush=True)
    except InputError as error:
        print(path.name, "refused:", error, flush=True)
"""


def damaged(content: bytes, seed: int) -> bytes:
    """Flips bits, truncates or zeroes a part, depending on the seed."""
    random = np.random.default_rng(seed)
    data = np.frombuffer(content, np.uint8).copy()
    kind = seed % 4
    if kind == 0:  # anywhere
        places = random.integers(0, len(data), 1 + seed % 50)
        data[places] ^= 1 << random.integers(0, 8, len(places), np.uint8)
    elif kind == 1:  # in the tables rather than the weights
        places = random.integers(0, min(4096, len(data)), 1 + seed % 8)
        data[places] ^= 1 << random.integers(0, 8, len(places), np.uint8)
        places = random.integers(len(data) // 2, len(data), 1 + seed % 8)
        data[places] ^= 0xFF
    elif kind == 2:
        data = data[: random.integers(0, len(data))]
    else:
        start = random.integers(0, len(data))
        data[start : start + random.integers(1, 2000)] = 0
    return data.tobytes()


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(10, marks=pytest.mark.slow, id="some"),
        pytest.param(DAMAGED // 3, marks=pytest.mark.full, id="all"),
    ],
)
@pytest.mark.parametrize("name", ["float32.tflite", "int8.tflite", "model.onnx"])
def test_a_damaged_model_runs_or_is_rejected(in_onnx, tmp_path, name, count):
    whole, copies = in_onnx.parent / name, []  # the copy has all three files
    for seed in range(count):
        copies.append(tmp_path / f"{seed}{whole.suffix}")
        copies[-1].write_bytes(damaged(whole.read_bytes(), seed))
    seconds = 70 * len(copies)
    code = RUNNER.format(root=str(ROOT), seconds=seconds)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, copies)],
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [copy.name for copy in copies]
    verdicts = {line.split()[1] for line in lines}
    assert "refused:" in verdicts and verdicts <= {"runs", "refused:"}
    print(*lines, sep="\n")
