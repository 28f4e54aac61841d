"""Converts a run to TFLite or ONNX and measures the accuracy it costs.

kseg export --help
"""

from kseg.cli.entry import verb

verb(__name__)
