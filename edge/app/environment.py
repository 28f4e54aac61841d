"""What the results of a benchmark depend on: device, versions, model, engine."""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
from importlib import metadata
from typing import Any

import cv2
import numpy as np

from edge.core.images import format_size
from edge.core.redaction import redact
from edge.core.system import board_name, usable_cores
from edge.engines.base import Engine
from edge.engines.onnx import import_runtime
from edge.engines.tflite import PACKAGES
from edge.video.readers import reader_name


def environment(
    arguments: argparse.Namespace, engines: list[Engine], frame: np.ndarray
) -> dict[str, Any]:
    """The environment of a benchmark, for its JSON."""
    data = arguments.model.read_bytes()
    return {
        "board": board_name(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": usable_cores(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "versions": versions(engines),
        "model": {
            "file": arguments.model.name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "input": format_size(engines[0].size or ("any", "any")),
        },
        "source": redact(arguments.source),
        "frame_size": format_size(frame.shape[:2]),
        "frames": arguments.frames,
        "rounds": arguments.rounds,
        "headless": arguments.headless,
        "live_fps": arguments.live_fps,
    }


def versions(engines: list[Engine]) -> dict[str, str]:
    """The versions of Python, OpenCV, NumPy, PyAV and the runtimes of the engines."""
    found = {
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "numpy": np.__version__,
    }
    if reader_name() != "opencv":  # what reads videos
        found["av"] = version_of("av")
    for name in {engine.name for engine in engines}:
        if name == "onnx":
            found["onnxruntime"] = import_runtime().__version__
        else:
            package = PACKAGES.get(name, PACKAGES["litert"])
            found[package] = version_of(package)
    return found


def version_of(package: str) -> str:
    """The version of a package; "?" if it was installed without that, as by copying."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "?"


def engine_record(engine: Engine) -> dict[str, Any]:
    """An engine, for the JSON."""
    return {
        "engine": engine.name,
        "accelerator": engine.accelerator,
        "share": engine.share,
        "threads": engine.threads,
        "first_millis": round(engine.first_millis, 3),
    }
