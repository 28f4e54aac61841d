"""kseg: from a folder of labelled images to a segmented live camera.

    import kseg

    run = kseg.train("photos", encoder="mobilenetv2", weights="imagenet")
    files = kseg.export(run)
    result = kseg.load(files["int8"]).predict(kseg.read_image("street.jpg"))

docs/python.md shows every public name. Names are loaded when they are first used, so
that `import kseg` takes a few milliseconds.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kseg.core.names import __version__

if TYPE_CHECKING:
    from edge.core.errors import GateFailed as GateFailed
    from edge.core.errors import InputError as InputError
    from edge.model_file.info import ModelInfo as ModelInfo
    from edge.predict.results import Detections as Detections
    from edge.predict.results import Instances as Instances
    from edge.predict.results import SemanticMap as SemanticMap
    from kseg.api import check as check
    from kseg.api import doctor as doctor
    from kseg.api import evaluate as evaluate
    from kseg.api import export as export
    from kseg.api import info as info
    from kseg.api import predict as predict
    from kseg.api import prepare as prepare
    from kseg.api import report as report
    from kseg.api import summary as summary
    from kseg.api import train as train
    from kseg.core.configs import DoctorConfig as DoctorConfig
    from kseg.core.configs import EvaluateConfig as EvaluateConfig
    from kseg.core.configs import ExportConfig as ExportConfig
    from kseg.core.configs import PredictConfig as PredictConfig
    from kseg.core.configs import PrepareConfig as PrepareConfig
    from kseg.core.configs import ReportConfig as ReportConfig
    from kseg.core.configs import SummaryConfig as SummaryConfig
    from kseg.core.configs import TrainConfig as TrainConfig
    from kseg.core.progress import Progress as Progress
    from kseg.core.results import Diagnosis as Diagnosis
    from kseg.core.results import Evaluation as Evaluation
    from kseg.core.results import Exported as Exported
    from kseg.core.results import Prediction as Prediction
    from kseg.core.results import Predictions as Predictions
    from kseg.core.results import Prepared as Prepared
    from kseg.core.results import Report as Report
    from kseg.core.results import Run as Run
    from kseg.core.results import Summary as Summary
    from kseg.data.sample import Dataset as Dataset
    from kseg.data.sample import Sample as Sample
    from kseg.inference import draw as draw
    from kseg.inference import load as load
    from kseg.inference import open_data as open_data
    from kseg.inference import read_image as read_image
    from kseg.inference import stream as stream
    from kseg.inference import write_image as write_image
    from kseg.inference import write_video as write_video
    from kseg.models import build_model as build_model

if sys.argv[:1] == ["-m"]:  # `python -m kseg...` is about to run a command of ours
    import_module("edge.core.interrupts").exit_on_interrupt("kseg")

# TensorFlow leaves oneDNN off on processors without VNNI, where it makes convolutions
# several times faster. It reads this when it is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Where each public name is defined.
MODULES = {
    "kseg.api": (
        *("train", "evaluate", "predict", "export", "check", "report", "prepare"),
        *("doctor", "summary", "info"),
    ),
    "kseg.inference": (
        *("load", "read_image", "write_image", "write_video", "draw", "stream"),
        "open_data",
    ),
    "kseg.models": ("build_model",),
    "kseg.core.configs": (
        *("TrainConfig", "EvaluateConfig", "PredictConfig", "ExportConfig"),
        *("ReportConfig", "PrepareConfig", "DoctorConfig", "SummaryConfig"),
    ),
    "kseg.core.progress": ("Progress",),
    "kseg.core.results": (
        *("Run", "Evaluation", "Exported", "Prediction", "Predictions", "Report"),
        *("Prepared", "Diagnosis", "Summary"),
    ),
    "kseg.data.sample": ("Dataset", "Sample"),
    "edge.model_file.info": ("ModelInfo",),
    "edge.predict.results": ("SemanticMap", "Detections", "Instances"),
    "edge.core.errors": ("InputError", "GateFailed"),
}
WHERE = {name: module for module, names in MODULES.items() for name in names}

__all__ = ["__version__", *WHERE]


def __getattr__(name: str) -> Any:
    if name not in WHERE:
        raise AttributeError(f"module 'kseg' has no attribute {name!r}")
    if WHERE[name] == "kseg.models":  # imports Keras
        import_module("kseg.core.backend").start()
    value = getattr(import_module(WHERE[name]), name)
    # Not kept in this module: `import kseg.train` binds that module to the same name.
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
