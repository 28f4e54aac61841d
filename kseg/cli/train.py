"""Trains a network on labelled images.

    python -m kseg.train --data DIR --encoder mobilenetv2 --weights imagenet

Without --data it learns procedural shapes. The run folder gets model.keras (the best),
last.keras, checkpoint.npz for --resume, config.json, history.csv, metrics.json,
report.html, curves.png, samples.png and confusion.png. Ctrl-C ends it early and keeps
what it has.
"""

from __future__ import annotations

from typing import Optional, Sequence

from edge.core.errors import InputError
from edge.core.log import say
from kseg.cli.parser import parse_given
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ProcessGroup


def main(argv: Optional[Sequence[str]] = None) -> int:
    config, given = parse_given(TrainConfig, "kseg.train", __doc__, argv)
    check_shares(config)
    # Imported here and below, so that --help does not wait for them.
    from kseg.training.distribution.environment import process_group
    from kseg.training.distribution.supervisor import needs_supervisor, supervise

    group = process_group(config)
    return supervise(group) if needs_supervisor(group) else train(config, given, group)


def train(config: TrainConfig, given: set[str], group: ProcessGroup) -> int:
    """One run in this process, with its report and its table; the exit status."""
    from kseg.api import report
    from kseg.cli.tables import metrics_table, write_result
    from kseg.core import backend
    from kseg.core.runs import reserve
    from kseg.data.checks.quick import quick_findings
    from kseg.data.open import open_data
    from kseg.training.distribution.group import distributed
    from kseg.training.fit import fit, merge_resumed, read_recorded_config

    folder = reserve(config)
    if config.resume:
        config = merge_resumed(config, given, read_recorded_config(folder))
    data = open_data(config.data, config.seed)
    for finding in quick_findings(data) if group.is_main else ():
        say(f"{finding} (python -m kseg.doctor {config.data} looks at everything)")
    backend.start()
    with distributed(config, group, data) as group:
        stopped = fit(config, data, folder, group)
    if not group.is_main:
        return 130 if stopped else 0
    metrics = report(data, folder)
    if config.json != "-":
        print(metrics_table(metrics))
        print(f"\n{folder} holds the run; look at report.html. Next:")
        print(f"  python -m kseg.export {folder}")
    write_result(config.json, metrics)
    return 130 if stopped else 0


def check_shares(config: TrainConfig) -> None:
    """Raises InputError for options outside their range."""
    if config.scale < 1:
        raise InputError(f"--scale {config.scale}: is the largest factor, from 1 up")
    if config.color > 1:
        raise InputError(f"--color {config.color}: is a strength, 0 to 1")
    if config.border_weight and config.class_weights != "none":
        raise InputError(
            "--border-weight adds to a class's weight in the paper's formula, which is "
            "not built for --class-weights; give one of them"
        )
    if config.encoder_rate > 1:
        raise InputError(f"--encoder-rate {config.encoder_rate}: is a share, 0 to 1")
