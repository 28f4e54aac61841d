"""The parameters that turn a network's outputs into objects: `ModelInfo.decoder`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Callable, Mapping, Sequence, Tuple, Type, TypeVar

from edge.core.constants import VARIANCES
from edge.core.errors import InputError, quoted, shortened
from edge.engines.base import TensorSpec
from edge.model_file.info import ModelInfo
from edge.predict.boxes import ANCHOR_SCALE

T = TypeVar("T")
# Name -> whether a value is valid, and what would be.
Rules = Mapping[str, Tuple[Callable[[Any], bool], str]]


@dataclass(frozen=True)
class Decoder:
    """How objects are decoded.

    `strides` are those of the levels, in the order of the outputs' rows; anchors have
    sides of `anchor_scale` strides, and deltas are multiplied by `variances`. Objects
    have a score of at least `score`; `nms` is the overlap above which only the better
    of two boxes of a class remains; at most `max_detections` are kept in an image.
    """

    strides: Tuple[int, ...] = ()
    anchor_scale: float = ANCHOR_SCALE
    variances: Tuple[float, ...] = VARIANCES
    score: float = 0.3
    nms: float = 0.6
    max_detections: int = 100


NUMBER = (int, float)
LARGEST = 1000  # of a factor; larger ones overflow


def is_list(value: Any, kind: Any) -> bool:
    """Whether a value is a list of numbers over 0 of a type."""
    return isinstance(value, (list, tuple)) and all(
        isinstance(x, kind) and x > 0 for x in value
    )


def is_rising(value: Any) -> bool:
    """Whether a value is a list of integers over 0, each larger than the one before.

    Levels in another order would have as many cells, in other places.
    """
    return is_list(value, int) and sorted(set(value)) == list(value)


def is_factor(value: Any) -> bool:
    """Whether a value is a number over 0 up to LARGEST."""
    return isinstance(value, NUMBER) and 0 < value <= LARGEST


def is_factors(value: Any) -> bool:
    """Whether a value is a list of 4 such numbers."""
    return is_list(value, NUMBER) and len(value) == 4 and all(map(is_factor, value))


def is_share(value: Any) -> bool:
    return isinstance(value, NUMBER) and 0 <= value <= 1


def is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 1


COUNT = (is_count, "an integer of at least 1")
SHARE = (is_share, "from 0 to 1")
RULES: Rules = {
    "strides": (is_rising, "a list of rising integers of at least 1"),
    "anchor_scale": (is_factor, f"a number over 0, at most {LARGEST}"),
    "variances": (is_factors, f"4 numbers over 0, at most {LARGEST}"),
    "score": SHARE,
    "nms": SHARE,
    "max_detections": COUNT,
}


def decoder_of(info: ModelInfo) -> Decoder:
    """The decoder of a model; entries that are missing have their defaults.

    Unknown entries are ignored. Raises InputError for an invalid value.
    """
    return settings_in(Decoder, info.decoder, RULES)


def settings_in(kind: Type[T], decoder: Mapping[str, Any], rules: Rules) -> T:
    """The entries of a decoder that are fields of the dataclass `kind`.

    Raises InputError for an invalid value, and a missing one that has no default.
    """
    known = {}
    for each in fields(kind):  # type: ignore[arg-type]
        if each.name not in decoder and each.name in vars(kind):
            continue  # it has a default
        value = decoder.get(each.name)
        valid, wanted = rules[each.name]
        if not valid(value):
            raise InputError(
                f"the decoder's {each.name} is {quoted(value)}; it must be {wanted}"
            )
        known[each.name] = tuple(value) if isinstance(value, list) else value
    return kind(**known)


def refuse_nms(changes: Mapping[str, Any]) -> None:
    """Raises InputError for a change of `nms` where the file suppresses boxes."""
    if "nms" in changes:
        raise InputError(
            "nms has no effect on a model file that suppresses overlapping boxes "
            "itself; leave it out"
        )


def output_indices(
    needed: Sequence[str], info: ModelInfo, outputs: Sequence[TensorSpec]
) -> dict[str, int]:
    """Role -> the index of its output.

    Roles are those of the metadata, or else the names of the outputs. Raises InputError
    if one is missing, or if the file has another number of outputs than roles.
    """
    roles = info.outputs or tuple(spec.name for spec in outputs)
    if len(roles) != len(outputs):
        raise InputError(
            f"its description names {len(roles)} outputs "
            f"({shortened(', '.join(roles))}), and it has {len(outputs)}; export it "
            "again"
        )
    missing = [role for role in needed if role not in roles]
    if missing:
        raise InputError(
            f"no output {missing[0]} among its {len(roles)} "
            f"({shortened(', '.join(roles))}); a model of the task {info.task} has "
            f"{', '.join(needed)}"
        )
    return {role: roles.index(role) for role in needed}
