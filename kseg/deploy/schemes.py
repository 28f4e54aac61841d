"""The schemes of an export: some networks are exported in float only."""

from __future__ import annotations

from dataclasses import replace

from edge.core.errors import InputError
from kseg.core.configs import ExportConfig
from kseg.core.names import FLOAT_ONLY, FLOAT_SCHEMES, NO_ONNX, ONNX


def with_schemes(config: ExportConfig, model: str) -> ExportConfig:
    """The configuration with the usual schemes of a network, where none are given.

    Raises InputError for a quantized scheme of a network that is exported in float
    only, and for onnx if it has no such files.
    """
    if model not in FLOAT_ONLY:
        return replace(config, quantize=config.schemes)
    schemes = config.quantize or FLOAT_SCHEMES
    for scheme in schemes:
        refused = (NO_ONNX if scheme == ONNX else FLOAT_ONLY).get(model)
        if refused and scheme not in FLOAT_SCHEMES:
            raise InputError(
                f"--quantize {scheme}: not available for {model}: {refused}; "
                f"use --quantize {','.join(FLOAT_SCHEMES)}"
            )
    return replace(config, quantize=schemes)
