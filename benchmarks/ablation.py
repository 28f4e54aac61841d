"""Trains variants of one training with several seeds, and compares them.

    kseg benchmark ablation --data DIR --seeds 3
    kseg benchmark ablation --variants FILE.toml --output saved_models/others

The TOML file has the options of all trainings in the table [train], as --config of
`kseg train`, and those that a variant adds in [variants.NAME]. The training without
additions is called base. All have the same data and seeds, and the same epochs or
hours. Where variants change several options at once, a second table has what each
option contributed (recipes/ablation/defaults.toml).

Each training is a run in the output folder. An interrupted comparison continues when
it is started again; all variants are trained with one seed before the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Optional, Sequence

from benchmarks.ablation_effects import effects
from benchmarks.ablation_figure import draw, label
from benchmarks.results import JSON_HELP, option, show
from benchmarks.runs import completed
from edge.core.errors import InputError
from edge.core.files import make_folder
from edge.core.log import say
from kseg.cli.parser import parse
from kseg.core import backend
from kseg.core.checks import check_train
from kseg.core.config_file import parsed
from kseg.core.configs import TrainConfig
from kseg.core.fold_summary import spread
from kseg.core.options import Names, Output, flag
from kseg.core.results import Run
from kseg.core.runs import CONFIG, METRICS, read_record, run_config, write_json
from kseg.core.task_defaults import asked_options, for_task
from kseg.core.values import fields_of, read_values, suggestion, with_new_names
from kseg.data.fold_data import is_same_division, open_training_data
from kseg.data.one_class import data_for
from kseg.data.open import task_of_data

BASE = "base"
TABLES = ("train", "variants")
OWN = ("output", "resume", "overwrite", "seed", "folds", "fold")  # of the comparison
HEADLINES = ("mean_iou", "mask_ap", "box_ap")  # the first that a run has decides
RESULTS = "ablation.json"
FIGURE = "ablation.png"

Variants = dict[str, dict[str, Any]]  # name -> options of kseg train


@dataclass(frozen=True)
class AblationConfig:
    """Options of `kseg benchmark ablation`."""

    variants: str = option(
        "recipes/ablation/parts.toml", "TOML file with [train] and [variants.NAME]"
    )
    data: str = option("", "data folder; default: that of the file")
    seeds: int = option(1, "trainings of each variant, with the seeds 0, 1, ...")
    only: Names = option((), "names of variants to train, with commas; default: all")
    output: str = option("saved_models/ablation", "folder for the runs and results")
    json: Output = option("", JSON_HELP)


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(AblationConfig, "kseg benchmark ablation", __doc__, argv)
    show(compare(config), table, config.json)


def compare(config: AblationConfig) -> dict[str, Any]:
    """Trains what is missing; writes ablation.json and a figure after each training."""
    variants = read_variants(Path(config.variants))
    chosen = choose(variants, config.only, config.variants)
    folder = make_folder(Path(config.output))
    planned = [
        (name, training(config, variants[name], folder / name / f"seed{seed}", seed))
        for seed in range(config.seeds)
        for name in chosen
    ]
    check_runs(config, variants, folder)
    backend.start()
    figures: dict[str, Any] = {}
    for index, (name, each) in enumerate(planned, 1):
        say(f"{index} of {len(planned)}: {name}, seed {each.seed}")
        trained(each)
        figures = summarize(config, variants, folder)
        write_json(folder / RESULTS, figures)
    draw(folder / FIGURE, figures["variants"])
    say(f"{folder}: wrote {RESULTS} and {FIGURE}")
    return figures


def read_variants(path: Path) -> Variants:
    """The options of each variant, those of all included; `base` is the first.

    Raises InputError for a file that cannot be read, unknown tables and options, values
    that do not fit, and options that the comparison itself sets.
    """
    content = parsed(path)
    for key in content:
        if key not in TABLES:
            raise InputError(
                f"{path}: {key!r} is not [train] or [variants.NAME]"
                f"{suggestion(key, TABLES)}"
            )
    common, tables = content.get("train", {}), content.get("variants", {})
    if not isinstance(common, dict) or not isinstance(tables, dict) or not tables:
        raise InputError(f"{path}: has no [variants.NAME]; add one for each variant")
    variants = {BASE: options_of(path, "train", common)}
    for name, own in tables.items():
        if name in variants or not isinstance(own, dict) or Path(name).name != name:
            raise InputError(
                f"{path}: variants.{name}: write a table [variants.NAME] whose name "
                f"can be that of a folder and is not {BASE}"
            )
        where = f"variants.{name}"
        variants[name] = {**variants[BASE], **options_of(path, where, own)}
    return variants


def options_of(path: Path, table: str, values: dict[str, Any]) -> dict[str, Any]:
    """The checked options of one table. Raises InputError as `read_variants`."""
    named = {key.replace("-", "_"): value for key, value in values.items()}
    named = with_new_names(TrainConfig, named)
    known = [name for name in fields_of(TrainConfig) if name not in OWN]
    for name in named:
        if name in OWN:
            raise InputError(
                f"{path}: [{table}] {name}: is set by the comparison; leave it out"
            )
        if name not in known:
            raise InputError(
                f"{path}: [{table}] {name!r} is not an option of kseg train"
                f"{suggestion(name, known)}"
            )
    return read_values(TrainConfig, named, lambda name: f"{path}: [{table}] {name}")


def choose(variants: Variants, only: Sequence[str], file: str) -> list[str]:
    """The variants to train. Raises InputError for an unknown name."""
    for name in only:
        if name not in variants:
            raise InputError(
                f"--only {name}: {file} has no such variant{suggestion(name, variants)}"
            )
    return [name for name in variants if not only or name in only]


def training(
    config: AblationConfig, options: dict[str, Any], folder: Path, seed: int
) -> TrainConfig:
    """The training of a variant with one seed."""
    data = {"data": config.data} if config.data else {}
    values = {**options, **data, "output": str(folder), "seed": seed}
    plain = TrainConfig(**values)
    task = plain.task or task_of_data(plain.data, plain.model)
    return for_task(plain, set(values), task)


def check_runs(config: AblationConfig, variants: Variants, folder: Path) -> None:
    """Raises InputError for a run in the folder that the file does not describe.

    All of them are in the table, whichever are trained now.
    """
    for name, options in variants.items():
        for path in (folder / name).glob("seed*"):
            seed = path.name.removeprefix("seed")
            if seed.isdecimal():
                check_same(training(config, options, path, int(seed)))


def check_same(config: TrainConfig) -> None:
    """Raises InputError if the run folder has been trained otherwise, or on others."""
    folder = config.run_folder
    if not (folder / CONFIG).is_file():
        return
    previous = run_config(folder)
    for name in fields_of(TrainConfig):
        if name in ("output", "resume", "overwrite", "data", "task"):
            continue
        value, other = getattr(config, name), getattr(previous, name)
        default_size = name == "size" and value is None
        if value != other and not default_size:
            raise InputError(
                f"{folder}: was trained with {flag(name)} {other}, not {value}; remove "
                "it, or use another folder for --output"
            )
    data = data_for(config.model, open_training_data(config, folder))
    if not is_same_division(read_record(folder)["data"], data):
        raise InputError(
            f"{folder}: was trained on other images or labels than those of "
            f"{data.name}; remove it, or use another folder for --output"
        )


def trained(config: TrainConfig) -> None:
    """Trains a run, or the rest of it, if it is not complete."""
    import keras

    from kseg.api import run_training
    from kseg.training.distribution.environment import process_group

    keras.utils.clear_session()
    check_train(config)
    # Also what a variant sets to a default that is not that of the task.
    given = set(asked_options(config))
    completed(
        config.run_folder,
        lambda resume: run_training(
            replace(config, resume=resume), given, process_group(config)
        ),
    )


def summarize(
    config: AblationConfig, variants: Variants, folder: Path
) -> dict[str, Any]:
    """What the runs of the output folder reached."""
    rows = []
    for name, options in variants.items():
        runs = {
            path.name: Run.open(path)
            for path in sorted((folder / name).glob("seed*"))
            if (path / METRICS).is_file()
        }
        if not runs:
            continue
        metrics = next(iter(runs.values())).metrics
        headline = next(name for name in HEADLINES if name in metrics)
        values = {seed: run.metrics.get(headline) for seed, run in runs.items()}
        added = {k: v for k, v in options.items() if variants[BASE].get(k) != v}
        rows.append(
            {
                "name": name,
                "options": added,
                **spread(values),
                "headline": headline,
                "images": min(map(training_images, runs.values())),
                "epoch_seconds": median(
                    line["seconds"] for run in runs.values() for line in run.history
                ),
            }
        )
    return {
        "file": config.variants,
        "data": config.data or str(variants[BASE].get("data", "")),
        "variants": with_differences(rows),
        "effects": effects(rows),
    }


def training_images(run: Run) -> int:
    """The number of images that a run was trained on."""
    return read_record(run.folder)["data"]["images"]["train"]


def with_differences(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the mean difference from `base`, over the seeds that both have.

    >>> base = {"name": "base", "values": {"seed0": 0.5, "seed1": 0.7}}
    >>> other = {"name": "more", "values": {"seed1": 0.75}}
    >>> round(with_differences([base, other])[1]["difference"], 6)
    0.05
    """
    base = next((row["values"] for row in rows if row["name"] == BASE), {})
    for row in rows:
        pairs = [
            value - base[seed]
            for seed, value in row["values"].items()
            if value is not None and base.get(seed) is not None
        ]
        row["difference"] = sum(pairs) / len(pairs) if pairs else None
    return rows


def table(figures: dict[str, Any]) -> str:
    """The results as a table."""
    from tabulate import tabulate

    rows = figures["variants"]
    first = rows[0]["epoch_seconds"]
    lines = [
        (
            row["name"],
            len(row["values"]),
            text(row["mean"]),
            text(row["std"]),
            text(row["difference"], "+.4f"),
            f"{row['epoch_seconds']:.1f}",
            f"{row['epoch_seconds'] / first:.2f}",
        )
        for row in rows
    ]
    header = ("variant", "runs", label(rows), "deviation", "difference from base")
    header += ("s an epoch", f"times {rows[0]['name']}")
    align = ("left", *["right"] * (len(header) - 1))
    trainings = tabulate(lines, header, colalign=align, disable_numparse=True)
    if not figures["effects"]:
        return trainings
    return f"{trainings}\n\n{effects_table(figures['effects'])}"


def effects_table(found: list[dict[str, Any]]) -> str:
    """The effect of each option, the largest first."""
    from tabulate import tabulate

    lines = [
        (
            f"{flag(row['option'])} {row['value']}",
            text(row["effect"], "+.4f"),
            text(row["error"]),
        )
        for row in sorted(found, key=lambda row: -row["effect"])
    ]
    return tabulate(
        lines,
        ("option", "effect", "standard error"),
        colalign=("left", "right", "right"),
        disable_numparse=True,
    )


def text(value: Optional[float], form: str = ".4f") -> str:
    return "-" if value is None else format(value, form)
