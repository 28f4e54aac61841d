"""Write what a model finds in images as labels that you correct in a labelling tool.

  kseg live saved_models/RUN/int8.tflite --source 0 --capture frames --every uncertain
  kseg prelabel saved_models/RUN frames --format coco --output labels
  kseg prepare EXPORT --merge DATA

Masks become polygons, one for each connected region of a class or for each object; a
detector gives boxes. Background and void have none. A hole is joined to its outline by
a cut of no width.
docs/improving.md tells which tools read the formats.
"""

from __future__ import annotations

from typing import Optional, Sequence

from kseg.cli.parser import parse_given
from kseg.cli.tables import write_result
from kseg.core.options import refuse_unused
from kseg.core.prelabel_config import PrelabelConfig

CONFIG = PrelabelConfig


def main(argv: Optional[Sequence[str]] = None) -> None:
    config, given = parse_given(CONFIG, "kseg prelabel", __doc__, argv)
    refuse_unused(config, given)
    from kseg.evaluation.prelabel import prelabel

    write_result(config.json, prelabel(config).record())
