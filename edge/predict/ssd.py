"""Detection models of other people, whose file already ends with suppression.

Their outputs are those of the operator TFLite_Detection_PostProcess, as in the SSD
models of TensorFlow's Object Detection API.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping, Optional, Sequence, Tuple

import numpy as np

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.core.timing import StageTimer
from edge.engines.base import Engine, Output, TensorSpec
from edge.model_file.info import ModelInfo, known_names
from edge.model_file.naming import named
from edge.model_file.reading import NOTHING
from edge.predict.base import Placement, Predictor
from edge.predict.decoder import decoder_of, output_indices, refuse_nms
from edge.predict.detection import boxes_in_image, finite_rows
from edge.predict.results import Detections

TASK = "detection"
ROLES = ("boxes", "classes", "scores", "count")
# Number of dimensions of each output -> roles, in the order of the numbers in their
# names, or else of the file. The first order is the operator's own; TensorFlow 2 files
# have the second by name and the third in the file.
ORDERS = {
    (3, 2, 2, 1): ROLES,
    (1, 2, 2, 3): ("count", "scores", "classes", "boxes"),
    (2, 3, 1, 2): ("scores", "boxes", "count", "classes"),
}
# The first line of some label files. The operator counts classes without it.
BACKGROUND = ("???", "background")


class SsdPredictor(Predictor[Detections]):
    """Reads the objects that the file has found.

    Outputs: "boxes" (N, 4) y0, x0, y1, x1 in [0, 1], "classes" (N,), "scores" (N,) in
    [0, 1], and "count" (), the number of valid rows. Of the decoder, `score` and
    `max_detections` apply.
    """

    def __init__(
        self, engine: Engine, info: ModelInfo, stages: Optional[StageTimer] = None
    ):
        super().__init__(engine, info, stages)
        self.indices = output_indices(ROLES, info, engine.outputs)
        decoder_of(info)

    def with_decoder(self, changes: Mapping[str, Any]) -> SsdPredictor:
        refuse_nms(changes)
        result = super().with_decoder(changes)
        decoder_of(result.info)
        return result

    def decode(
        self, outputs: Tuple[Output, ...], placement: Placement, confidence: bool
    ) -> Detections:
        with self.stages.stage("postprocess"):
            decoder = decoder_of(self.info)
            boxes, classes, scores, count = (outputs[self.indices[x]] for x in ROLES)
            values = scores.dequantize().astype(np.float32)
            valid = round(float(count.dequantize().item()))
            if valid > len(values):
                raise InputError(
                    f"output count is {valid}, and output scores has {len(values)} "
                    "rows; the model is damaged"
                )
            rows = np.flatnonzero(values[:valid] >= decoder.score)
            rows = rows[np.argsort(-values[rows], kind="stable")]
            places = finite_rows(boxes, rows)[:, [1, 0, 3, 2]]
            places *= np.float32([*placement.input_size[::-1]] * 2)
            places, kept = boxes_in_image(places, placement)
            kept = rows[kept][: decoder.max_detections]
            ids = np.rint(classes.dequantize(kept)).astype(np.int32)
            size = placement.image_size
            return Detections(places[: len(kept)], ids, values[kept], size)


def ssd_predictor(engine: Engine, info: ModelInfo) -> Optional[SsdPredictor]:
    """The predictor of a file with these outputs; None for other files."""
    roles = ssd_roles(engine.outputs)
    if roles is None:
        return None
    names = info.class_names
    if names[0] in BACKGROUND:
        names = names[1:]
    reading = getattr(engine, "reading", NOTHING)
    if reading.class_list == "coco":
        raise InputError(
            "--classes coco: models of this kind count COCO's ids with gaps; give the "
            "labels file of the model"
        )
    source = "those in the file" if known_names(info) else "numbered"
    if reading.classes:
        naming = named(reading, (), None, {}, objects=True)
        names, source = naming.names, naming.source
    # Without a background, no class is black: black is not drawn.
    described = replace(
        info,
        task=TASK,
        head="raw",
        outputs=roles,
        class_names=names,
        colors=palette(len(names) + 1)[1:],
        decoder={**info.decoder, "names_are": source},
    )
    return SsdPredictor(engine, described, StageTimer())


def ssd_roles(outputs: Sequence[TensorSpec]) -> Optional[Tuple[str, ...]]:
    """The roles of the outputs by their names and shapes; None for other outputs.

    >>> shapes = [(1, 10, 4), (1, 10), (1, 10), (1,)]
    >>> ssd_roles([TensorSpec("", x, np.dtype(np.float32)) for x in shapes])
    ('boxes', 'classes', 'scores', 'count')
    """
    order = sorted(range(len(outputs)), key=lambda k: number_in(outputs[k].name))
    shapes = [outputs[k].shape for k in order]
    roles = ORDERS.get(tuple(map(len, shapes)))
    if roles is None:
        return None
    sides = dict(zip(roles, shapes))
    same = {sides["boxes"][1], sides["classes"][1], sides["scores"][1]}
    if sides["boxes"][2] != 4 or sides["count"] != (1,) or len(same) > 1:
        return None
    return tuple(roles[order.index(k)] for k in range(len(outputs)))


def number_in(name: str) -> int:
    """The number of an output in its name; 0 without one.

    >>> number_in("TFLite_Detection_PostProcess"), number_in("PartitionedCall:2")
    (0, 2)
    """
    number = name.rpartition(":")[2]
    return int(number) if number.isdecimal() else 0
