"""Search the options of a training by many short ones, in a given time.

  kseg tune --data DIR --encoder mobilenetv2 --weights imagenet --hours 8
  kseg train --config saved_models/DIR-tune/best.toml

Options of training that are given here are those of every trial; the others are
searched: learning rate, weight decay, encoder rate, loss, scale, color, rare crops and
moving average. The same command continues a search that was interrupted.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

from edge.core.errors import InputError
from kseg.cli.parser import parse_given
from kseg.cli.tables import write_result
from kseg.core.checks import check_train
from kseg.core.options import refuse_unused
from kseg.core.text import command
from kseg.core.tune_config import TuneConfig, training_of

CONFIG = TuneConfig
LISTED = 10  # trials that are printed; trials.json has all


def main(argv: Optional[Sequence[str]] = None) -> int:
    config, given = parse_given(CONFIG, "kseg tune", __doc__, argv)
    refuse_unused(config, given)
    if not config.hours:
        raise InputError("--hours 0: must be over 0")
    check_train(training_of(config, given)[0])
    from kseg.training.tuning.search import tune

    found, stopped = tune(config, given)
    write_result(config.json, found)
    if config.json != "-":
        print(trials_table(found))
    if config.json != "-" and found["best"] is not None:
        best = config.folder / "best.toml"
        print(f"\nNext:\n  {command('train', '--config', best)}")
    if found["best"] is None and not stopped:
        raise InputError(
            f"{config.folder}: no trial was complete in time; give more --hours or "
            "fewer --epochs"
        )
    return 130 if stopped else 0


def trials_table(found: dict[str, Any]) -> str:
    """trials.json for people: the best trials, and what mattered."""
    from tabulate import tabulate

    from kseg.deploy.parity import metric_name

    trials = sorted(
        found["trials"], key=lambda t: -1 if t["value"] is None else t["value"]
    )
    trials = trials[::-1][:LISTED]
    names = list(dict.fromkeys(name for t in trials for name in t["options"]))
    rows = [
        (
            *(t["trial"], t["state"], t["epochs"]),
            "-" if t["value"] is None else f"{t['value']:.4f}",
            *(t["options"].get(name, "") for name in names),
        )
        for t in trials
    ]
    header = ("trial", "state", "epochs", metric_name(found["headline"]), *names)
    lines = [tabulate(rows, header, disable_numparse=True)]
    more = len(found["trials"]) - len(trials)
    if more:
        lines.append(f"and {more} more in trials.json")
    if found["importance"]:
        shares = (f"{name} {share:.0%}" for name, share in found["importance"].items())
        lines.append(f"importance: {', '.join(shares)}")
    return "\n".join(lines)
