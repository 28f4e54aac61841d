"""The group of options of learning from the predictions of other runs."""

from __future__ import annotations

from dataclasses import dataclass

from kseg.core.options import Names, Scales, Use, option

TAUGHT = Use(lambda config: config.teacher, "without --teacher")


@dataclass(frozen=True, kw_only=True)
class TeacherOptions:
    """Distillation: what a run learns from other runs."""

    title = "Teachers"

    teacher: Names = option(
        (),
        "also learn from the predictions of these runs, separated by commas; semantic "
        "only",
        metavar="RUN,...",
    )
    teacher_weight: float = option(
        1.0, "factor of their term, added to --loss", TAUGHT, most=1000
    )
    teacher_temperature: float = option(
        2.0,
        "divides the logits of both, so that small probabilities count more; over 0",
        TAUGHT,
        most=100,
    )
    teacher_flip: bool = option(
        False, "average each teacher with its prediction of the mirrored image", TAUGHT
    )
    teacher_scales: Scales = option(
        (1.0,), "average each teacher over these scales, such as 0.75,1,1.25", TAUGHT
    )
