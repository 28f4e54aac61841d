"""What a bug report needs: versions, processor, accelerators, cache."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from edge.core.files import cache_folder
from edge.core.system import processor_features, processor_name, usable_cores
from kseg.core.names import __version__

PACKAGES = (
    *("numpy", "opencv-python", "opencv-python-headless", "tensorflow", "keras"),
    *("ai-edge-litert", "tflite-runtime", "tensorflow-model-optimization", "tf-keras"),
    *("onnx", "onnxruntime", "tf2onnx", "jax", "torch", "tornado", "tensorboard"),
    *("lark", "paho-mqtt", "av"),
)
# Extensions of the processor that make int8 and float kernels fast.
FEATURES = (
    *("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "amx_bf16"),
    *("neon", "asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve"),
)
VARIABLES = (
    *("KERAS_BACKEND", "CUDA_VISIBLE_DEVICES", "TF_ENABLE_ONEDNN_OPTS"),
    *("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "XDG_CACHE_HOME", "DISPLAY"),
)


def environment() -> dict[str, Any]:
    """Everything, as plain JSON. It imports no framework: half a second at most."""
    return {
        "kseg": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "processor": processor(),
        "packages": packages(),
        "accelerators": accelerators(),
        "cache": cache(),
        "variables": {
            name: os.environ[name] for name in VARIABLES if name in os.environ
        },
    }


def packages() -> dict[str, str]:
    """The versions of the packages that are installed, out of PACKAGES."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def processor() -> dict[str, Any]:
    """Name, number of cores that may be used, memory in bytes, and FEATURES."""
    import psutil

    return {
        "name": processor_name(),
        "architecture": platform.machine(),
        "cores": usable_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "features": features(),
    }


def features() -> list[str]:
    """The FEATURES of this processor; none if the system does not list them."""
    found = processor_features()
    return [name for name in FEATURES if name in found]


def accelerators() -> dict[str, Any]:
    """GPUs by the tools of their drivers, GPU drivers that LiteRT can use, USB TPUs."""
    from edge.engines.gpu import drivers

    found: dict[str, Any] = {"nvidia": nvidia(), "litert_gpu": list(drivers())}
    devices = [str(path) for path in sorted(Path("/dev").glob("apex_*"))]
    return found | {"edge_tpu": devices}


def nvidia() -> list[str]:
    """Name, driver and memory of each NVIDIA GPU; none without nvidia-smi."""
    program = shutil.which("nvidia-smi")
    if not program:
        return []
    fields = "name,driver_version,memory.total"
    command = [program, f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []


def cache() -> dict[str, Any]:
    """The cache folder of the engines, and its size in bytes."""
    folder = cache_folder()
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {"folder": str(folder), "bytes": sum(path.stat().st_size for path in files)}
