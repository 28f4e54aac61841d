"""The names that options take: networks, encoders, losses, schemes."""

from __future__ import annotations

__version__ = "0.1.0"

MODEL_NAMES = (
    "dense",
    "fcn16s",
    "fcn32s",
    "fcn8s",
    "hypercolumn",
    "patch",
    "segnet",
    "unet",
    "unet_paper",
)
ENCODER_NAMES = (
    "alexnet",
    "efficientnetv2b0",
    "googlenet",
    "mobilenetv2",
    "mobilenetv3",
    "plain",
    "resnet50",
    "vgg16",
)
PEAK_RATES = {"adamw": 1e-3, "sgd": 2e-2}  # optimizers, and what suits each
SCHEDULE_NAMES = ("cosine", "polynomial")
PRECISIONS = ("float32", "bfloat16", "float16")
LOSS_NAMES = ("ce", "dice", "focal", "lovasz", "ohem", "tversky")
CLASS_WEIGHTS = ("none", "median", "log")
GROUPING_NAMES = ("color", "edges", "intensity", "texture")
OWN_LAYERS = ("dense", "patch", "unet_paper")  # networks that take no encoder
UPSAMPLINGS = ("bilinear", "nearest", "resize-conv", "transposed", "unpool")
# Options that say where a run is trained: it can go on elsewhere.
OF_MACHINES = (
    "distribute",
    "devices",
    "coordinator",
    "processes",
    "process",
    "join_seconds",
)
HEADS = ("labels", "logits", "probabilities")
SCHEMES = ("float32", "float16", "dynamic", "int8", "int16x8")
USUAL_SCHEMES = ("float32", "int8")
FINETUNED_SCHEMES = (
    "qat",
    "pruned",
    "pruned-int8",
    "pruned-qat",
    "clustered",
    "clustered-int8",
    "clustered-qat",
    "pruned-clustered-int8",
    "pruned-clustered-qat",
)  # these are fine-tuned
ONNX = "onnx"  # not TFLite: for ONNX Runtime and TensorRT
