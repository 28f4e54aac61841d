"""What a search writes: trials.json, and best.toml for `kseg train --config`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping, Optional

from edge.core.files import write_text
from kseg.core.configs import TrainConfig
from kseg.core.runs import BEST, CHECKPOINT, LAST, write_json

TRIALS, BEST_OPTIONS = "trials.json", "best.toml"
WEIGHTS = (BEST, LAST, CHECKPOINT)
OPTIONS, SECONDS, ENDED = "options", "seconds", "ended"  # notes on a trial
BY_USER, NOT_FINITE = "Ctrl-C", "not finite"  # why it ended


def trial_folder(folder: Path, number: int) -> Path:
    """The run folder of a trial."""
    return folder / f"trial{number}"


def best_of(trials: list[Any]) -> Optional[Any]:
    """The complete trial with the highest value; None if there is none."""
    done = [trial for trial in trials if trial.state.name == "COMPLETE"]
    return max(done, key=lambda trial: trial.value, default=None)


def is_done(trial: Any) -> bool:
    """Whether a trial counts for --trials; one that was interrupted is tried again."""
    if trial.state.name == "FAIL":
        return trial.user_attrs.get(ENDED) == NOT_FINITE
    return trial.state.name in ("COMPLETE", "PRUNED")


def record_of_trial(trial: Any) -> dict[str, Any]:
    """A trial as JSON. `value` is the best validation value of its epochs, or None.

    `state` is complete, pruned or failed, `epochs` how many it had.
    """
    values = trial.intermediate_values
    return {
        "trial": trial.number,
        "state": "failed" if trial.state.name == "FAIL" else trial.state.name.lower(),
        "ended": trial.user_attrs.get(ENDED, ""),
        "value": max(values.values(), default=None),
        "epochs": max(values, default=0),
        SECONDS: trial.user_attrs.get(SECONDS),
        OPTIONS: trial.user_attrs.get(OPTIONS, dict(trial.params)),
    }


def write_search(
    folder: Path,
    fixed: Mapping[str, Any],
    trials: list[Any],
    facts: dict[str, Any],
) -> dict[str, Any]:
    """Writes trials.json and best.toml; returns the content of trials.json.

    `fixed` are the options of all trials, `facts` what is told about the search.
    Weights are kept of the best trial alone.
    """
    known = [
        trial for trial in trials if trial.state.name not in ("RUNNING", "WAITING")
    ]
    best = best_of(known)
    content = {
        **facts,
        "best": None if best is None else best.number,
        "trials": [record_of_trial(trial) for trial in known],
    }
    write_json(folder / TRIALS, content)
    if best is not None:
        values = {**fixed, **best.user_attrs[OPTIONS]}
        head = (
            f"trial {best.number}: {facts['headline']} {best.value:.4f} on val after "
            f"{facts['epochs']} epochs"
        )
        write_text(folder / BEST_OPTIONS, to_toml(values, head))
    for trial in known:
        if best is None or trial.number != best.number:
            for name in WEIGHTS:
                (trial_folder(folder, trial.number) / name).unlink(missing_ok=True)
    return content


def to_toml(values: Mapping[str, Any], head: str = "") -> str:
    """Options as the lines of a TOML file for --config.

    >>> print(to_toml({"loss": "ce", "size": (64, 80), "flip": False}, "best"), end="")
    # best
    loss = "ce"
    size = [64, 80]
    flip = false
    """
    lines = [f"# {head}"] if head else []
    lines += [f"{name} = {toml_value(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """A text, number, boolean or tuple in TOML, whose forms are those of JSON.

    DEL alone must be escaped there and not in JSON.
    """
    return json.dumps(value).replace("\x7f", "\\u007f")


def fixed_options(config: TrainConfig, given: set[str]) -> dict[str, Any]:
    """The options that were given for all trials, for best.toml, without the epochs.

    A training with the best options may be longer.
    """
    plain = replace(config, output="")
    return {n: getattr(plain, n) for n in sorted(given) if n != "epochs"}
