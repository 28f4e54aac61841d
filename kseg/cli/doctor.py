"""Says what is wrong with a data folder before a night is wasted on it.

    python -m kseg.doctor DIR --output checked --show-augmentation

Where training would stop at the first fault, this goes through everything: files,
labels, classes, sizes, and copies of pictures, above all between the splits. It ends
with status 3 where something would harm a training. doctor.png in --output shows how
often classes are, the sizes, and the worst pictures with their masks (white: void,
magenta: outside the classes); augmentation.png what training makes of a few pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional, Sequence

from edge.core.errors import GateFailed, InputError
from edge.core.files import make_folder
from edge.core.images import format_size
from edge.core.log import say
from kseg.cli.parser import parse
from kseg.cli.tables import write_result
from kseg.core.configs import DoctorConfig, TrainConfig, from_record, to_record
from kseg.data.checks.issues import DataIssue
from kseg.data.checks.rules import diagnose, kind_counts, size_counts
from kseg.data.checks.scan import FolderScan, scan
from kseg.data.checks.statistics import figures
from kseg.data.open import open_data

NAMED = 3  # examples in the table
NAMED_CHARACTERS = 64  # of one example


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(DoctorConfig, "kseg.doctor", __doc__, argv)
    check(config)
    if config.output:
        make_folder(Path(config.output))
    found = scan(config.data, config.seed)
    findings = diagnose(found)
    facts = figures(found, findings)
    if config.json != "-":
        print(report(found, findings, facts))
    write_result(config.json, facts)
    if config.output:
        draw(config, found, findings)
    harms = facts["harm"]
    if harms:
        what = "kind of harm" if harms == 1 else "kinds of harm"
        raise GateFailed(f"{config.data}: {harms} {what}; mend them before training")


def check(config: DoctorConfig) -> None:
    """Raises InputError for options that do not go together."""
    if config.show_augmentation and not config.output:
        raise InputError("--show-augmentation: give a folder for the picture: --output")
    if config.scale < 1:
        raise InputError(f"--scale {config.scale}: is the largest factor, from 1 up")


def draw(
    config: DoctorConfig, found: FolderScan, findings: Sequence[DataIssue]
) -> None:
    """The pictures in --output."""
    from kseg.reporting.dataset_figures import augmentation_sheet, doctor_sheet

    output = Path(config.output)
    doctor_sheet(output / "doctor.png", found, findings)
    say(f"doctor.png is in {output}")
    if not config.show_augmentation:
        return
    try:
        data = open_data(config.data, config.seed)
    except InputError as error:
        say(f"no augmentation.png: training could not start: {error}")
        return
    from kseg.core import backend

    backend.start()
    training = from_record(TrainConfig, to_record(config))
    augmentation_sheet(output / "augmentation.png", training, data)
    say(f"augmentation.png is in {output}")


# --- for people ---


def report(
    found: FolderScan, findings: Sequence[DataIssue], facts: dict[str, Any]
) -> str:
    """All that was found, as text."""
    parts = [overview(found), finding_table(findings)]
    if any(entry["pixels"].get("train") for entry in facts["classes"]):
        parts.append(class_table(facts))
        parts += [
            f"class weights as --class-weights {rule} has them, in order:\n"
            + ",".join(f"{weight:.4g}" for weight in weights)
            for rule, weights in facts["class_weights"].items()
        ]
    return "\n\n".join(parts)


def overview(found: FolderScan) -> str:
    """What the data are, in a line or two."""
    counts = ", ".join(f"{len(found.of(split))} {split}" for split in found.splits)
    kinds = kind_counts(found.looks).most_common(2)
    sizes = size_counts(found.looks).most_common(2)
    more = len(size_counts(found.looks)) - len(sizes)
    listed = [f"{format_size(size)} ({count})" for size, count in sizes]
    listed += [f"{more} more"] * (more > 0)
    what = "; ".join(filter(None, (f"{len(found.names)} classes", counts)))
    looks = f"{', '.join(kind for kind, _ in kinds)}; {', '.join(listed)}"
    return f"{found.name}: {what}" + f"\n{looks}" * bool(kinds)


def finding_table(findings: Sequence[DataIssue]) -> str:
    """The findings, harm first."""
    from tabulate import tabulate

    if not findings:
        return "nothing is wrong"
    rows = [
        (f.severity, f.split, f.count, f.text, such_as(f.examples)) for f in findings
    ]
    head = ("", "where", "count", "what", "such as")
    widths = (None, None, None, 36, NAMED_CHARACTERS)
    return tabulate(rows, head, maxcolwidths=widths, disable_numparse=True)


def such_as(examples: Sequence[str]) -> str:
    """The first few, one a line, and how many more there are."""
    lines = [cut(example) for example in examples[:NAMED]]
    if len(examples) > NAMED:
        lines.append(f"and {len(examples) - NAMED} more")
    return "\n".join(lines)


def cut(text: str) -> str:
    """The text in one line of bounded length."""
    if len(text) <= NAMED_CHARACTERS:
        return text
    return f"{text[: NAMED_CHARACTERS - 3]}..."


def class_table(facts: dict[str, Any]) -> str:
    """Each class's share and pictures by split, and its weights."""
    from tabulate import tabulate

    splits = list(facts["pictures"])
    rows = [
        [
            entry["name"],
            *(f"{entry['share'][split]:.2%}" for split in splits),
            *(entry["pictures"][split] for split in splits),
            *(f"{weights[index]:.3f}" for weights in facts["class_weights"].values()),
        ]
        for index, entry in enumerate(facts["classes"])
    ]
    head = ["class", *splits, *(f"{split} pictures" for split in splits)]
    head += [f"{rule} weight" for rule in facts["class_weights"]]
    align = ("left", *["right"] * (len(head) - 1))
    return tabulate(rows, head, colalign=align, disable_numparse=True)
