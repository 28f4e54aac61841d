"""Check a data set for errors before training.

  kseg doctor DIR --output checked --show-augmentation

Training stops at the first error; this lists all: files, labels, classes, sizes, and
duplicate images, also between splits. The exit status is 3 if an error must be fixed.
doctor.png shows class frequencies, sizes and the worst images with their masks (white:
void, magenta: ids outside the classes) or objects.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Optional, Sequence

from edge.core.errors import GateFailed
from kseg.cli.object_tables import object_tables
from kseg.cli.parser import parse_given
from kseg.cli.tables import write_result
from kseg.core.configs import DoctorConfig
from kseg.core.options import refuse_unused
from kseg.core.results import Diagnosis
from kseg.core.text import command

CONFIG = DoctorConfig
NAMED = 3  # examples in the table
NAMED_CHARACTERS = 64  # of one example


def main(argv: Optional[Sequence[str]] = None) -> None:
    config, given = parse_given(CONFIG, "kseg doctor", __doc__, argv)
    refuse_unused(config, given)
    from kseg.api import doctor

    found = doctor(config=config)
    write_result(config.json, found.figures)
    if config.json != "-":
        print(report(found))
        if found.ok:  # else the error says how many must be fixed
            print(f"\n{verdict(found)}")
    if not found.ok:
        kinds = "kind of error" if found.errors == 1 else "kinds of errors"
        raise GateFailed(
            f"{config.data}: {found.errors} {kinds}; fix them before training"
        )


# --- for people ---


def report(found: Diagnosis) -> str:
    """All that was found, as text."""
    facts = found.figures
    tables = TABLES.get(found.task, mask_tables)
    return "\n\n".join([overview(facts), issue_table(found.issues), *tables(facts)])


def verdict(found: Diagnosis) -> str:
    """The last line of data without errors: that they can be trained on, and how."""
    number = sum(issue.severity == "warning" for issue in found.issues)
    kinds = "1 kind" if number == 1 else f"{number or 'no'} kinds"
    kinds += " of warning" + "s" * (number != 1)
    return f"ready to train ({kinds}): {command('train', '--data', found.data)}"


def mask_tables(facts: dict[str, Any]) -> list[str]:
    """How frequent each class is, and the class weights that can be given."""
    if not any(entry["pixels"].get("train") for entry in facts["classes"]):
        return []
    return [
        class_table(facts),
        *(
            f"class weights of --class-weights {rule}, in order:\n"
            + ",".join(f"{weight:.4g}" for weight in weights)
            for rule, weights in facts["class_weights"].items()
        ),
    ]


# Task -> function of the figures that returns its tables.
TABLES = {
    "semantic": mask_tables,
    "instance": object_tables,
    "detection": object_tables,
}


def overview(facts: dict[str, Any]) -> str:
    """Number of classes and images, kinds and sizes, in a line or two."""
    counts = ", ".join(f"{n} {split}" for split, n in facts["pictures"].items())
    kinds = Counter[str]()
    sizes = Counter[str]()
    for split in facts["pictures"]:
        kinds.update(facts["kinds"][split])
        sizes.update(facts["sizes"][split])
    listed = [f"{size} ({count})" for size, count in sizes.most_common(2)]
    listed += [f"{len(sizes) - 2} more"] * (len(sizes) > 2)
    number = len(facts["classes"])
    classes = "1 class" if number == 1 else f"{number} classes"
    what = "; ".join(filter(None, (classes, counts)))
    looks = (
        f"{', '.join(kind for kind, _ in kinds.most_common(2))}; {', '.join(listed)}"
    )
    return f"{facts['data']}: {what}" + f"\n{looks}" * bool(kinds)


def issue_table(issues: Sequence[Any]) -> str:
    """The issues, errors first."""
    from tabulate import tabulate

    if not issues:
        return "no errors found"
    rows = [
        (x.severity, x.split, x.count, x.text, first_few(x.examples)) for x in issues
    ]
    head = ("", "split", "count", "what", "examples")
    widths = (None, None, None, 36, NAMED_CHARACTERS)
    return tabulate(rows, head, maxcolwidths=widths, disable_numparse=True)


def first_few(names: Sequence[str]) -> str:
    """The first few, one a line, and how many more there are."""
    lines = [cut(name) for name in names[:NAMED]]
    if len(names) > NAMED:
        lines.append(f"and {len(names) - NAMED} more")
    return "\n".join(lines)


def cut(text: str) -> str:
    """The text in one line of bounded length."""
    if len(text) <= NAMED_CHARACTERS:
        return text
    return f"{text[: NAMED_CHARACTERS - 3]}..."


def class_table(facts: dict[str, Any]) -> str:
    """Each class's share and images by split, and its weights."""
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
    head = ["class", *splits, *(f"{split} images" for split in splits)]
    head += [f"{rule} weight" for rule in facts["class_weights"]]
    align = ("left", *["right"] * (len(head) - 1))
    return tabulate(rows, head, colalign=align, disable_numparse=True)
