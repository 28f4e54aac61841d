"""Names of commands, networks, encoders, losses and schemes."""

from __future__ import annotations

__version__ = "0.1.0"

TASKS = ("semantic", "instance", "detection")
OBJECT_TASKS = {"instance": True, "detection": False}  # whether objects have masks
MODEL_NAMES = (
    "dense",
    "detr",
    "faster_rcnn",
    "fast_rcnn",
    "fcn16s",
    "fcn32s",
    "fcn8s",
    "hypercolumn",
    "instances",
    "localize",
    "mask_rcnn",
    "patch",
    "rpn",
    "rcnn",
    "segnet",
    "unet",
    "unet_paper",
    "yolo",
)
# Networks that find objects, and the task of each where none is asked for.
OBJECT_MODELS = {
    "instances": "instance",
    "localize": "detection",
    "yolo": "detection",
    "rpn": "detection",
    "faster_rcnn": "detection",
    "mask_rcnn": "instance",
    "fast_rcnn": "detection",
    "rcnn": "detection",
    "detr": "detection",
}
CLASS_AGNOSTIC = ("rpn",)  # networks that find objects without their class
ENCODER_NAMES = (
    "alexnet",
    "efficientnetlite0",
    "efficientnetv2b0",
    "googlenet",
    "mobilenetv2",
    "mobilenetv3",
    "plain",
    "resnet50",
    "vgg16",
)
PEAK_RATES = {"adamw": 1e-3, "sgd": 2e-2}  # optimizers, and the learning rate of each
SCHEDULE_NAMES = ("cosine", "polynomial")
DECAYED = ("all", "kernels")  # weights that weight decay applies to
PRECISIONS = ("float32", "bfloat16", "float16")
LOSS_NAMES = ("ce", "dice", "focal", "lovasz", "ohem", "tversky")
CLASS_WEIGHTS = ("none", "median", "log")
GROUPING_NAMES = ("color", "edges", "intensity", "texture")
OWN_LAYERS = ("dense", "patch", "unet_paper", "yolo")  # networks that take no encoder
GRID_HEADS = ("conv", "dense")  # of yolo
CONTEXTS = ("none", "pyramid")
OUTPUT_STRIDES = (16, 32)
UPSAMPLINGS = ("bilinear", "nearest", "resize-conv", "transposed", "unpool")
VERBS = {
    "train": "train a network on labelled images",
    "tune": "search the options of a training by many short ones",
    "evaluate": "measure a model on a split of a data set",
    "predict": "segment images: write a mask and an overlay for each",
    "prelabel": "write what a model finds as labels to correct in a tool",
    "export": "convert a run to TFLite or ONNX and measure the accuracy it costs",
    "check": "show how model files are read, and what keeps them from devices",
    "live": "segment a camera, video or stream",
    "report": "write a page that shows a run",
    "prepare": "convert another tool's export to a data folder",
    "doctor": "check a data set for errors before training",
    "summary": "show the size, operations and receptive field of networks",
    "info": "print versions, processor, accelerators and cache, for a bug report",
    "benchmark": "measure kseg on this machine (needs a checkout)",
    "completion": "print a script that completes commands in bash, zsh or tcsh",
}
# Options that say how a run was started, not what it is.
OF_STARTING = ("resume", "overwrite", "json")
# Options that say on which machines a run is trained: another one may continue it.
OF_MACHINES = (
    "distribute",
    "devices",
    "coordinator",
    "processes",
    "process",
    "join_seconds",
)
HEADS = ("labels", "logits", "probabilities", "raw", "boxes")
SCHEMES = ("float32", "float16", "dynamic", "int8", "int16x8")
USUAL_SCHEMES = ("float32", "int8")
FLOAT_SCHEMES = ("float32", "float16")
# Networks whose files are in float alone, and why: what a message says of them.
FLOAT_ONLY = {
    "detr": "attention and layer normalization lose accuracy in 8 bits",
    **dict.fromkeys(
        ("rpn", "faster_rcnn", "mask_rcnn"),
        "boxes are chosen between its parts, outside of the graph, and their "
        "coordinates need float",
    ),
}
# Networks without .onnx files, and why.
NO_ONNX = dict.fromkeys(
    ("rpn", "faster_rcnn", "mask_rcnn"),
    "the program that chooses boxes between its parts runs .tflite files only",
)
PARTS = ("heads", "masks")  # other files of such networks, named after the first
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


def uses_calibration(scheme: str) -> bool:
    """Whether calibration images set the activation ranges of a scheme.

    >>> [scheme for scheme in SCHEMES if uses_calibration(scheme)]
    ['int8', 'int16x8']
    """
    return scheme.endswith(("int8", "qat")) or scheme == "int16x8"


def corrects_biases(scheme: str) -> bool:
    """Whether an export corrects the biases of a scheme's files.

    Those of qat were trained with rounded weights.

    >>> [scheme for scheme in (*SCHEMES, "qat") if corrects_biases(scheme)]
    ['dynamic', 'int8', 'int16x8']
    """
    return scheme == "dynamic" or (uses_calibration(scheme) and "qat" not in scheme)
