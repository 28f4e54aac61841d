"""Options from a file: TOML, or the config.json that a training has written."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from edge.core.errors import InputError
from edge.core.inputs import read_text
from edge.core.suggestions import suggestion
from kseg.core.configs import TrainConfig
from kseg.core.names import OF_MACHINES, OF_STARTING, VERBS
from kseg.core.options import flag
from kseg.core.runs import CONFIG, recorded_options
from kseg.core.task_defaults import asked_options
from kseg.core.values import fields_of, read_values, with_new_names

HINT = "write lines such as epochs = 40"


def read_config(path: Path, cls: type, verb: str) -> dict[str, Any]:
    """The options of a configuration `cls` that a file sets, checked.

    A TOML file has option names as keys, with - or _; a table named after the command
    (`[train]`) is for that command alone. A run folder, or its config.json, gives the
    options with which that run can be trained again, without those that say how and on
    which machines it was started. Raises InputError for a file that cannot be read, an
    unknown option and a value that does not fit.
    """
    path = path / CONFIG if path.is_dir() else path
    content = parsed(path)
    known = fields_of(cls)

    def shown(name: str) -> str:
        return f"{path}: {flag(name)}"

    if isinstance(content.get("config"), dict):
        if verb != "train":
            raise InputError(
                f"--config {path}: has the options of a training, which are not those "
                f"of kseg {verb}; give a TOML file"
            )
        record = recorded_options(content)
        kept = set(known) - {*OF_STARTING, *OF_MACHINES}
        values = {name: value for name, value in record.items() if name in kept}
        return used_options(TrainConfig(**read_values(cls, values, shown)))
    values = options_in(content, path, cls, verb)
    for name in values:
        if name not in known or known[name][0].metadata.get("positional"):
            names = [n for n, (f, _) in known.items() if "positional" not in f.metadata]
            raise InputError(
                f"{path}: {name!r} is not an option of kseg {verb}"
                f"{suggestion(name, names)}"
            )
    return read_values(cls, values, shown)


def parsed(path: Path) -> dict[str, Any]:
    """A TOML or JSON file. Raises InputError if it cannot be read."""
    try:
        text = read_text(path)
        read = json.loads if path.suffix.lower() == ".json" else tomllib.loads
        content = read(text)
    except FileNotFoundError:
        raise InputError(f"--config {path}: no such file") from None
    except RecursionError:
        raise InputError(f"--config {path}: is nested too deeply; {HINT}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--config {path}: cannot be read ({reason})") from None
    if not isinstance(content, dict):
        raise InputError(f"--config {path}: has no options; {HINT}")
    return content


def used_options(recorded: TrainConfig) -> dict[str, Any]:
    """The options with which a training can be asked for again: see `asked_options`.

    One that has no effect on it would be refused.
    """
    uses = {item.name: item.metadata["used_by"] for item in fields(TrainConfig)}
    return {
        name: value
        for name, value in asked_options(recorded).items()
        if all(use.when(recorded) for use in uses[name])
    }


def options_in(
    content: dict[str, Any], path: Path, cls: type, verb: str
) -> dict[str, Any]:
    """The keys of a TOML file that are for a command, as names of fields.

    Raises InputError for a table that is not a command's, and for a file that has
    options of other commands alone.
    """
    values: dict[str, Any] = {}
    for key, value in content.items():
        if not isinstance(value, dict):
            own = {key: value}
        elif key not in VERBS:
            close = suggestion(key, VERBS)
            raise InputError(f"{path}: [{key}] is not a command of kseg{close}")
        else:
            own = value if key == verb else {}
        for name, part in own.items():
            if name.replace("-", "_") in values:
                raise InputError(f"{path}: {name} is given twice; remove one")
            values[name.replace("-", "_")] = part
    if content and not values and verb not in content:
        others = ", ".join(f"[{key}]" for key in content)
        raise InputError(
            f"{path}: has options of {others} alone, none of kseg {verb}; add [{verb}]"
        )
    return with_new_names(cls, values)
