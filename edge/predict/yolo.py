"""Detection and segmentation models of the YOLO family, as their programs export them.

Known are the outputs of YOLOv5, v8, v11 and others of Ultralytics: one table with a row
or column for each cell of the levels 8, 16 and 32, and prototypes of masks; and the
table of found objects of files that end with suppression.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from edge.core.errors import InputError
from edge.core.timing import StageTimer
from edge.engines.base import Engine, Output, TensorSpec
from edge.model_file.class_lists import GUESSED_OBJECTS
from edge.model_file.info import ModelInfo, known_names, made_by_others
from edge.model_file.naming import named, names_inside
from edge.model_file.reading import NOTHING
from edge.predict.base import Placement, Predictor
from edge.predict.boxes import Size, cell_count, nms
from edge.predict.decoder import Decoder, decoder_of, refuse_nms
from edge.predict.detection import CANDIDATES, Found, boxes_in_image, select_best
from edge.predict.instances import with_masks
from edge.predict.maps import FIRST, LAST, covers
from edge.predict.results import Detections, Instances

LEVELS = ((8, 16, 32), (8, 16, 32, 64))
ANCHORS = 3  # of a cell, in YOLOv5 and v7
MOST_LISTED = 1000  # rows of a table of found objects
DEFAULTS = {"score": 0.25, "nms": 0.7, "max_detections": 100}  # the programs' own
SHARES = 2.0  # boxes whose numbers are all below are shares of the input


@dataclass(frozen=True)
class Table:
    """Where the objects are among the outputs, and how a row of the table is read.

    `index` is the table's output; its rows are cells, or with `columns` its columns
    are. A row has the box, with `objectness` a score of any object, scores of `classes`
    classes, and `masks` coefficients. With `listed` it has x0, y0, x1, y1, a score and
    a class. `prototypes` is the output with the prototypes, whose layout is `layout`.
    """

    index: int
    columns: bool = False
    objectness: bool = False
    listed: bool = False
    classes: Optional[int] = None
    masks: int = 0
    prototypes: int = -1
    layout: str = ""


class YoloPredictor(Predictor[Detections]):
    """Reads boxes from the table; `score`, `nms` and `max_detections` apply."""

    def __init__(self, engine: Engine, info: ModelInfo, table: Table):
        super().__init__(engine, info, StageTimer())
        self.table = table
        decoder_of(info)

    def with_decoder(self, changes: Mapping[str, Any]) -> YoloPredictor:
        if self.table.listed:
            refuse_nms(changes)
        result = super().with_decoder(changes)
        decoder_of(result.info)
        return result

    def decode(
        self, outputs: Tuple[Output, ...], placement: Placement, confidence: bool
    ) -> Detections:
        with self.stages.stage("postprocess"):
            return self.find(outputs, placement).detections

    def find(self, outputs: Tuple[Output, ...], placement: Placement) -> Found:
        """The objects of an image, highest score first. Raises InputError."""
        output, decoder = outputs[self.table.index], decoder_of(self.info)
        rows = np.asarray(output.dequantize(), np.float32)
        rows = rows.T if self.table.columns else rows
        best, ids = self._best(rows)
        chosen = select_best(best, decoder.score, CANDIDATES * decoder.max_detections)
        boxes = self._boxes(rows[:, :4], chosen, placement.input_size)
        boxes, inside = boxes_in_image(boxes, placement)
        chosen = chosen[inside]
        kept = self._suppressed(boxes, best[chosen], ids[chosen], decoder)
        chosen, size = chosen[kept], placement.image_size
        found = Detections(boxes[kept], ids[chosen], best[chosen], size)
        return Found(found, chosen, placement.input_size)

    def _best(self, rows: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """The score (A,) float32 of each row's best class, and the class (A,) int32."""
        if self.table.listed:
            best, ids = rows[:, 4], np.rint(rows[:, 5])
        else:
            first = 5 if self.table.objectness else 4
            scores = rows[:, first : first + (self.table.classes or 0)]
            ids = scores.argmax(axis=1)
            best = scores.max(axis=1)
            if self.table.objectness:
                best = best * rows[:, 4]
        if not np.isfinite(best).all() or best.min() < -0.01 or best.max() > 1.01:
            raise InputError(
                f"output {self.engine.outputs[self.table.index].name} has scores from "
                f"{best.min():.3g} to {best.max():.3g}, and probabilities are needed; "
                "export the model with its own decoding"
            )
        return best, ids.astype(np.int32)

    def _boxes(self, values: np.ndarray, chosen: np.ndarray, size: Size) -> np.ndarray:
        """The boxes (N, 4) x0, y0, x1, y1 in input pixels of the `chosen` rows."""
        boxes = values[chosen]
        if not np.isfinite(boxes).all():
            raise InputError("boxes are not numbers; the model is damaged")
        if values.size and values.max() <= SHARES:
            boxes = boxes * np.float32([size[1], size[0]] * 2)
        if self.table.listed:
            return boxes
        middle, half = boxes[:, :2], boxes[:, 2:] / 2
        return np.concatenate([middle - half, middle + half], axis=1)

    def _suppressed(
        self, boxes: np.ndarray, scores: np.ndarray, ids: np.ndarray, decoder: Decoder
    ) -> np.ndarray:
        if self.table.listed or decoder.nms >= 1:
            return np.arange(min(len(boxes), decoder.max_detections))
        return nms(boxes, scores, ids, decoder.nms, decoder.max_detections)


class YoloMaskPredictor(YoloPredictor):
    """Reads boxes from the table, and masks as sums of prototypes."""

    def decode(  # type: ignore[override]
        self, outputs: Tuple[Output, ...], placement: Placement, confidence: bool
    ) -> Instances:
        with self.stages.stage("postprocess"):
            found = self.find(outputs, placement)
            table = outputs[self.table.index]
            rows = table.raw.T if self.table.columns else table.raw
            weights = Output(rows[:, -self.table.masks :], table.spec)
            given = outputs[self.table.prototypes]
            first = self.table.layout == FIRST
            values = given.raw.transpose(1, 2, 0) if first else given.raw
            return with_masks(found, weights, Output(values, given.spec), placement)


def yolo_predictor(engine: Engine, info: ModelInfo) -> Optional[YoloPredictor]:
    """The predictor of a file with these outputs; None for other files."""
    if not made_by_others(info) or engine.size is None:
        return None
    table = find_table(engine.outputs, engine.size)
    if table is None:
        return None
    reading = getattr(engine, "reading", NOTHING)
    if reading.output_name:
        raise InputError(
            f"--output-name {reading.output_name}: has no effect on a model of the "
            "YOLO family, whose outputs are all used; leave it out"
        )
    refuse_other_numbers(table, known_names(info))
    if hasattr(engine, "image"):
        engine.image.assume("0..1")
    naming = named(
        reading, known_names(info), table.classes, GUESSED_OBJECTS, objects=True
    )
    roles = ["unused"] * len(engine.outputs)
    roles[table.index] = "objects"
    if table.masks:
        roles[table.prototypes] = "prototypes"
    described = replace(
        info,
        task="instance" if table.masks else "detection",
        head="raw",
        outputs=tuple(roles),
        class_names=naming.names,
        colors=naming.colors,
        resize="fit",
        decoder={
            **info.decoder,
            **DEFAULTS,
            "guessed_names": naming.guessed,
            "names_are": naming.source,
        },
    )
    return (YoloMaskPredictor if table.masks else YoloPredictor)(
        engine, described, table
    )


def refuse_other_numbers(table: Table, inside: Sequence[str]) -> None:
    """Raises InputError for a table with more than the scores of the file's classes.

    These are keypoints, or the angles of rotated boxes: they would be taken for scores.
    `inside` are the names in the file, empty if it has none.
    """
    if inside and table.classes and names_inside(inside, table.classes) is None:
        raise InputError(
            f"names {len(inside)} classes, and its objects have {table.classes} "
            "numbers beside their box: keypoints or angles are not read; export a "
            "model of boxes or masks"
        )


def find_table(outputs: Sequence[TensorSpec], size: Size) -> Optional[Table]:
    """The table of objects among the outputs of a file with this input size.

    >>> table = TensorSpec("", (1, 84, 8400), np.dtype("f4"))
    >>> find_table([table], (640, 640)).classes
    80
    """
    counts = [cell_count(size, strides) for strides in LEVELS]
    for index, spec in enumerate(outputs):
        if len(spec.shape) != 3 or spec.shape[0] not in (1, -1):
            continue
        if tuple(spec.shape[1:]) == tuple(size):  # a map: 48x64 also has 64 cells
            continue
        _, rows, columns = spec.shape
        prototypes = find_prototypes(outputs, size)
        place, layout, masks = prototypes or (-1, "", 0)
        shared = {"index": index, "prototypes": place, "layout": layout}
        anchors = [ANCHORS * count for count in counts]
        if rows in anchors and columns - 5 - masks >= 1:
            return Table(
                objectness=True, classes=columns - 5 - masks, masks=masks, **shared
            )
        if columns in counts and rows - 4 - masks >= 1:
            return Table(columns=True, classes=rows - 4 - masks, masks=masks, **shared)
        listed = columns == 6 and rows <= MOST_LISTED and len(outputs) == 1
        if listed and spec.dtype.kind == "f":
            return Table(index, listed=True)
    return None


def find_prototypes(
    outputs: Sequence[TensorSpec], size: Size
) -> Optional[Tuple[int, str, int]]:
    """The index, layout and number of the prototypes among the outputs, if any."""
    found: List[Tuple[int, str, int]] = []
    for index, spec in enumerate(outputs):
        if len(spec.shape) != 4:
            continue
        _, a, b, c = spec.shape
        if covers((b, c), size) and not covers((a, b), size):
            found.append((index, FIRST, a))
        elif covers((a, b), size):
            found.append((index, LAST, c))
    return found[0] if len(found) == 1 else None
