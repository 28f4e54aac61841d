"""Losses of all outputs of a network together."""

from __future__ import annotations

from typing import Any


class JointLoss:
    """Base class: `loss(target, outputs)`, both dicts by role, -> a scalar float32."""

    def __call__(self, target: dict[str, Any], outputs: dict[str, Any]) -> Any:
        raise NotImplementedError
