"""Objects of networks that find them by region (the R-CNN family).

The network decodes and suppresses boxes itself, and its outputs have a fixed number of
places for objects.
"""

from __future__ import annotations

from typing import Any, ClassVar, Mapping, NamedTuple, Optional, Tuple, TypeVar

import numpy as np

from edge.core.errors import InputError
from edge.core.timing import StageTimer
from edge.engines.base import Engine, Output
from edge.model_file.info import ModelInfo
from edge.predict.base import Placement, Predictor
from edge.predict.boxes import nms
from edge.predict.decoder import decoder_of, output_indices
from edge.predict.detection import boxes_in_image, finite_rows, scale_to_image
from edge.predict.results import Detections, Instances

D = TypeVar("D", bound=Detections)
P = TypeVar("P", bound="RegionPredictor")


class Found(NamedTuple):
    """The objects of an image, and the rows (N,) of the outputs that they are from."""

    detections: Detections
    rows: np.ndarray


class RegionPredictor(Predictor[D]):
    """Base class of the predictors of objects that are found by region.

    The outputs are "boxes" (D, 4) x0, y0, x1, y1 in pixels of the input, "scores" (D,),
    probabilities, 0 for a place without an object, and "class_ids" (D,). The entries
    score, nms and max_detections of `info.decoder` can only reduce what is found.
    """

    roles: ClassVar[Tuple[str, ...]] = ("boxes", "scores", "class_ids")

    def __init__(
        self, engine: Engine, info: ModelInfo, stages: Optional[StageTimer] = None
    ):
        super().__init__(engine, info, stages)
        self.indices = output_indices(self.roles, info, engine.outputs)
        decoder_of(info)  # raises InputError for an invalid value

    def with_decoder(self: P, changes: Mapping[str, Any]) -> P:
        result = super().with_decoder(changes)
        decoder_of(result.info)
        return result

    def find(self, outputs: Tuple[Output, ...], placement: Placement) -> Found:
        """The objects of an image, as boxes, highest score first.

        Raises InputError for outputs that do not fit the description.
        """
        self.check_shapes(outputs)
        decoder = decoder_of(self.info)
        boxes, scores, class_ids = (
            outputs[self.indices[role]] for role in ("boxes", "scores", "class_ids")
        )
        values = scores.dequantize().astype(np.float32, copy=False)
        if np.isnan(values).any():
            raise InputError(
                f"output scores has {np.isnan(values).sum()} of {len(values)} rows "
                "that are not numbers; the model is damaged"
            )
        rows = np.flatnonzero((values > 0) & (values >= decoder.score))
        placed, inside = boxes_in_image(finite_rows(boxes, rows), placement)
        rows = rows[inside]
        ids = class_ids.dequantize(rows).astype(np.int32)
        names = len(self.info.class_names)
        if ids.size and not 0 <= ids.min() <= ids.max() < names:
            raise InputError(
                f"output class_ids has the classes {ids.min()} to {ids.max()}, and "
                f"{names} are named; export it again"
            )
        most = decoder.max_detections
        kept = nms(placed, values[rows], ids, decoder.nms, most)
        rows = rows[kept]
        found = Detections(placed[kept], ids[kept], values[rows], placement.image_size)
        return Found(found, rows)

    def check_shapes(self, outputs: Tuple[Output, ...]) -> None:
        """Raises InputError for outputs whose shapes do not fit each other."""
        shapes = {role: outputs[self.indices[role]].raw.shape for role in self.roles}
        count = shapes["boxes"][0]
        wanted = {"boxes": (count, 4), "scores": (count,), "class_ids": (count,)}
        for role, shape in wanted.items():
            if shapes[role] != shape:
                raise InputError(
                    f"output {role} is {list(shapes[role])}; it must be {list(shape)}, "
                    f"as boxes has {count} rows"
                )


class RegionDetectionPredictor(RegionPredictor[Detections]):
    """Predicts the boxes of objects."""

    def decode(
        self, outputs: Tuple[Output, ...], placement: Placement, confidence: bool
    ) -> Detections:
        with self.stages.stage("postprocess"):
            return self.find(outputs, placement).detections


class RegionInstancePredictor(RegionPredictor[Instances]):
    """Predicts the boxes and masks of objects.

    One more output: "masks" (D, h, w), logits of each object inside its box.
    """

    roles: ClassVar[Tuple[str, ...]] = ("boxes", "scores", "class_ids", "masks")

    def decode(
        self, outputs: Tuple[Output, ...], placement: Placement, confidence: bool
    ) -> Instances:
        with self.stages.stage("postprocess"):
            found = self.find(outputs, placement)
            boxes, masks = (outputs[self.indices[role]] for role in ("boxes", "masks"))
            crops = masks.dequantize(found.rows).astype(np.float32, copy=False)
            y, x = scale_to_image(placement)
            # The masks are those of the boxes before these were limited to the image.
            spans = boxes.dequantize(found.rows) * np.float32([x, y, x, y])
            detections = found.detections
            return Instances(
                detections.boxes,
                detections.class_ids,
                detections.scores,
                detections.size,
                mask_crops=tuple(crops),
                mask_spans=spans.astype(np.float32, copy=False),
            )

    def check_shapes(self, outputs: Tuple[Output, ...]) -> None:
        super().check_shapes(outputs)
        boxes, masks = (outputs[self.indices[x]].raw.shape for x in ("boxes", "masks"))
        if len(masks) != 3 or masks[0] != boxes[0]:
            raise InputError(
                f"output masks is {list(masks)}; it must be [{boxes[0]}, rows, columns]"
            )
