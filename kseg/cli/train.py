"""Train a network on labelled images.

  kseg train --data DIR --encoder mobilenetv2 --weights imagenet

The run folder gets the best model, a checkpoint and a report, also after Ctrl-C.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

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
    from kseg.cli.fold_table import folds_table
    from kseg.cli.tables import metrics_table, write_result
    from kseg.core.fold_summary import is_summary

    run = run_training(config, given, group)
    if not group.is_main:  # one of several processes, which does not write the run
        return 130 if run.stopped else 0
    write_result(config.json, run.metrics)
    if config.json != "-" and is_summary(run.metrics):
        print(folds_table(run.metrics))
        print(f"\nThe folds are in {run.folder}; open its report.html. Next:")
        print(f"  {next_of_folds(run.metrics, run.folder)}")
    elif config.json != "-":
        print(metrics_table(run.metrics))
        print(f"\n{end_of_run(run.folder, run.stopped)}")
    return 130 if run.stopped else 0


def end_of_run(folder: Path, stopped: bool) -> str:
    """Where the run is, and the next command.

    >>> print(end_of_run(Path("first"), stopped=True))
    Training was stopped; what it has learnt so far is in first. To go on:
      kseg train --output first --resume
    """
    if stopped:
        return (
            f"Training was stopped; what it has learnt so far is in {folder}. To go on:"
            f"\n  {command('train', '--output', folder, '--resume')}"
        )
    return (
        f"The run is in {folder}; open its report.html. Next:"
        f"\n  {command('export', folder)}"
    )


def next_of_folds(summary: Mapping[str, Any], folder: Path) -> str:
    """The command after one of folds: to continue, or to measure all.

    >>> next_of_folds({"folds": 5, "finished": 3}, Path("k"))
    'kseg train --output k --resume'
    """
    if summary["finished"] < summary["folds"]:
        return command("train", "--output", folder, "--resume")
    return command("evaluate", folder)
