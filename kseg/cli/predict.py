"""Segment images, or find objects in them: write a result and an overlay for each.

  kseg predict saved_models/RUN photo.jpg folder/ --output predictions
  kseg predict grouping:color DIR/images --truth DIR/strokes --output DIR

masks/NAME.png holds class ids, with the class colours as its palette (legend.png). Of
objects it holds their numbers, 16 bits each; of boxes there is masks/NAME.json. You can
correct these files and train on them: they are masks/ of a data folder, or instances/.

A grouping (color, edges, intensity, texture) helps with labelling. It writes segment
ids. --truth names a folder of masks that are 255 except for a few strokes of class ids.
Each segment then gets the class of most of its strokes, or 255 if it has none.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

from edge.core.log import say
from kseg.cli.parser import parse_given
from kseg.cli.tables import write_result
from kseg.core.configs import PredictConfig
from kseg.core.options import refuse_unused

CONFIG = PredictConfig
CONFIDENCE = "confidence"  # a key of the JSON
LISTED = 24  # classes of an image in the lines for people; the JSON has all


def main(argv: Optional[Sequence[str]] = None) -> None:
    config, given = parse_given(CONFIG, "kseg predict", __doc__, argv)
    refuse_unused(config, given)
    from edge.display.tasks import SUMMARIES
    from kseg.evaluation.predict_images import predict_images

    found: dict[str, dict[str, Any]] = {}
    lines = []
    for each in predict_images(config):
        task = each.info.task
        summary = RECORDS.get(task, SUMMARIES[task])(each.result, each.info)
        found[str(each.path)] = summary
        lines.append(f"{each.path}: {LINES.get(task, listed)(summary)}")
    write_result(config.json, found)
    images = f"{len(found)} image{'s' * (len(found) != 1)}"
    say(f"{images}: masks and overlays are in {config.output}")
    if config.json != "-":
        print("\n".join(lines))


def listed(shares: dict[str, Any]) -> str:
    """Shares for people, the largest ones.

    >>> listed({"road": 0.75, "sky": 0.25})
    'road 75.0%, sky 25.0%'
    """
    known = [(c, s) for c, s in shares.items() if isinstance(s, float)]
    shown = ", ".join(f"{c} {s:.1%}" for c, s in known[:LISTED])
    more = len(known) - LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def listed_counts(summary: dict[str, Any]) -> str:
    """Numbers of objects for people.

    >>> listed_counts({"counts": {"person": 3, "dog": 1}})
    'person 3, dog 1'
    """
    counts = summary["counts"].items()
    return ", ".join(f"{name} {count}" for name, count in counts) or "no objects"


def class_shares(result: Any, info: Any) -> dict[str, Any]:
    """The share of the image of each class that occurs, the largest first.

    Under "confidence" it has the mean confidence of all pixels and of those of each
    class, if the model gives scores and no class has this name.
    """
    shares = result.shares(info, void="unlabelled")
    order = sorted(shares, key=shares.get, reverse=True)
    found: dict[str, Any] = {name: round(shares[name], 5) for name in order}
    if result.confidence is not None and CONFIDENCE not in info.class_names:
        by_class = result.confidences(info)
        found[CONFIDENCE] = {
            "mean": round(float(result.confidence.mean()), 5),
            "classes": {k: round(by_class[k], 5) for k in order if k in by_class},
        }
    return found


# What --json says of an image; other tasks have the lines of the camera.
RECORDS: dict[str, Callable[[Any, Any], dict[str, Any]]] = {"semantic": class_shares}

# What is printed of it for people; that of other tasks as shares.
LINES: dict[str, Callable[[dict[str, Any]], str]] = {
    "detection": listed_counts,
    "instance": listed_counts,
}
