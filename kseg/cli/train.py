"""Train a network on labelled images.

  kseg train --data DIR --encoder mobilenetv2 --weights imagenet

The run folder gets the best model, a checkpoint and a report, also after Ctrl-C.
"""

from __future__ import annotations

from typing import Optional, Sequence

from kseg.cli.parser import parse_given
from kseg.core.checks import check_train
from kseg.core.configs import TrainConfig
from kseg.core.options import refuse_unused
from kseg.core.text import command

CONFIG = TrainConfig


def main(argv: Optional[Sequence[str]] = None) -> int:
    config, given = parse_given(CONFIG, "kseg train", __doc__, argv)
    refuse_unused(config, given)
    check_train(config)
    # Imported here and below, so that --help does not wait for them.
    from kseg.training.distribution.environment import process_group
    from kseg.training.distribution.supervisor import needs_supervisor, supervise

    group = process_group(config)
    if needs_supervisor(group):
        return supervise(group)
    from kseg.api import run_training
    from kseg.cli.tables import metrics_table, write_result

    run = run_training(config, given, group)
    if not group.is_main:  # one of several processes, which does not write the run
        return 130 if run.stopped else 0
    write_result(config.json, run.metrics)
    if config.json != "-":
        print(metrics_table(run.metrics))
        print(f"\nThe run is in {run.folder}; open its report.html. Next:")
        print(f"  {command('export', run.folder)}")
    return 130 if run.stopped else 0
