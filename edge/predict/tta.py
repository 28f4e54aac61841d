"""Several passes over one picture: in tiles at its own size, mirrored, at scales.

What papers call multi-scale and flip testing, and the sliding window that bounds the
memory of large pictures. It costs as many runs of the network as there are passes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Any, List, NamedTuple, Optional, Tuple

import numpy as np

from edge.core.errors import InputError
from edge.core.images import format_size
from edge.predict.resizing import plane_of, scaled
from edge.predict.results import SemanticMap
from edge.predict.semantic import SemanticPredictor, probabilities, scores_to_labels
from edge.predict.tiling import tile_stride

FULL_SIZE_TILE = (512, 512)  # of pictures at full size, unless told
MARGIN = 64  # pixels of a tile that its neighbour decides, at most
STEP = 32  # of the coarsest encoders: tiles begin where their cells begin


@dataclass(frozen=True)
class TTA:
    """How often and how a picture is looked at; as it stands, once and as always.

    `full_size` keeps pictures from being shrunk to a run's max_side; those over `tile`
    (height, width), which implies it, are done in overlapping tiles. `flip` adds the
    mirrored picture, `scales` are relative to the size that the network gets otherwise.
    """

    full_size: bool = False
    flip: bool = False
    scales: Tuple[float, ...] = (1.0,)
    tile: Optional[Tuple[int, int]] = None

    @property
    def in_tiles(self) -> bool:
        return self.full_size or self.tile is not None

    @property
    def averaged(self) -> bool:
        return self.flip or self.scales != (1.0,)


class Span(NamedTuple):
    """One side of a tile: what it sees of the picture, what counts there and in it."""

    seen: slice
    kept: slice
    inside: slice


def spans(length: int, tile: int, margin: int, step: int) -> List[Span]:
    """Overlapping tiles along one side of a picture, whole steps apart.

    What counts begins and ends `margin` pixels or more from a tile's end, but for the
    ends of the picture itself. The last is up to `step` - 1 pixels longer than `tile`.

    >>> [(s.seen, s.kept) for s in spans(10, tile=6, margin=1, step=1)]
    [(slice(0, 6, None), slice(0, 5, None)), (slice(4, 10, None), slice(5, 10, None))]
    """
    last = max(0, length - tile) // step * step
    starts = [*range(0, last, tile_stride(tile - 2 * margin, step)), last]
    cuts = [0, *(start + margin for start in starts[1:]), length]
    ends = [start + tile for start in starts[:-1]] + [length]
    return [
        Span(slice(start, end), slice(cut, to), slice(cut - start, to - start))
        for start, end, cut, to in zip(starts, ends, cuts, cuts[1:])
    ]


class SemanticTTA(SemanticPredictor):
    """A predictor that makes all of `passes` over each image.

    Scores of all passes become probabilities at the size that one pass has, and these
    are averaged: a pass that is sure of itself cannot outvote the others by large
    logits. So do DeepLab's authors (`predict_labels_multi_scale` of their code; Chen,
    Papandreou, Schroff and Adam, 2017, section 4.1).

    A tile counts without its margin: 64 pixels, at most a quarter of its shorter side,
    and the border of networks of valid convolutions, whose labels are then exactly
    those of one pass. Of a U-Net on MobileNetV2 over CamVid enlarged twice, in tiles of
    512x512, 0.3 % of the labels were others than in one pass; without a margin 0.7 %.
    Tiles that begin between the encoder's cells made it 1.2 %: those of a network of
    fixed size, the last of which ends with the picture.
    Raises InputError for passes that the network cannot make.
    """

    def __init__(self, predictor: SemanticPredictor, passes: TTA):
        info = predictor.info
        if passes.in_tiles:
            info = replace(info, max_side=sys.maxsize)
        super().__init__(predictor.engine, info, predictor.stages)
        self.passes = passes
        self.tile = self._tile() if passes.in_tiles else None
        self._check_averaging()

    @property
    def fixed(self) -> bool:
        """Whether the network takes pictures of one size alone."""
        return self.engine.size is not None and not self.info.geometry.valid_border

    @property
    def margin(self) -> int:
        return self.info.geometry.valid_border or min(MARGIN, min(self.tile) // 4)

    def _tile(self) -> tuple[int, int]:
        """The size of tiles, as asked or by default. Raises InputError for one too
        small, and for another than a network of fixed size has."""
        if self.fixed:
            box = self.engine.size
            if self.passes.tile not in (None, box):
                raise InputError(
                    f"--tile {format_size(self.passes.tile)}: the network takes "
                    f"{format_size(box)} alone; leave it out"
                )
            return box
        tile = self.passes.tile or FULL_SIZE_TILE
        least = max(
            self.info.geometry.minimum, 2 * self.info.geometry.valid_border + STEP
        )
        if min(tile) < least:
            raise InputError(
                f"--tile {format_size(tile)}: is too small for this network; give "
                f"{least}x{least} or more"
            )
        return tile

    def _check_averaging(self) -> None:
        """Raises InputError where no scores can be averaged."""
        if self.passes.averaged and self.info.head == "labels":
            raise InputError(NO_SCORES)
        if self.fixed and self.passes.scales != (1.0,):
            raise InputError(
                f"--scales: the network takes {format_size(self.engine.size)} alone; "
                "give the run that it was exported from"
            )

    def predict(
        self, image: np.ndarray, order: str = "RGB", confidence: bool = False
    ) -> SemanticMap:
        """As `Predictor.predict`, over all passes."""
        size = image.shape[:2]
        if self.tile is None:
            return self._predict_tile(image, order, confidence)
        step = 1 if self.fixed else STEP
        labels = np.empty(size, np.uint8)
        known = np.empty(size, np.float32) if confidence else None
        across = spans(size[1], self.tile[1], self.margin, step)
        for y in spans(size[0], self.tile[0], self.margin, step):
            for x in across:
                part = self._predict_tile(image[y.seen, x.seen], order, confidence)
                labels[y.kept, x.kept] = part.labels[y.inside, x.inside]
                if part.confidence is None:
                    known = None
                else:
                    known[y.kept, x.kept] = part.confidence[y.inside, x.inside]
        return SemanticMap(labels, known)

    def _predict_tile(
        self, image: np.ndarray, order: str, confidence: bool
    ) -> SemanticMap:
        """As `predict`, of an image small enough to be seen as a whole."""
        if not self.passes.averaged:
            return super().predict(image, order, confidence)
        size, base = image.shape[:2], self.size_within(image.shape[:2])
        total: Any = 0
        for scale in self.passes.scales:
            for mirrored in (False, True)[: 1 + self.passes.flip]:
                total += self._probabilities(image, order, scale, mirrored, base)
        total /= len(self.passes.scales) * (1 + self.passes.flip)
        labels = scores_to_labels(total, size)
        if not confidence:
            return SemanticMap(labels)
        best = total.max(axis=2, keepdims=True)
        return SemanticMap(labels, plane_of(best, 0, size))

    def _probabilities(
        self,
        image: np.ndarray,
        order: str,
        scale: float,
        mirrored: bool,
        base: tuple[int, int],
    ) -> np.ndarray:
        """One pass -> (*base, C) float32; a mirrored one is turned back."""
        size = scaled(base, scale)
        if scale < 1 and min(size) < self.info.geometry.minimum:
            least = self.info.geometry.minimum
            raise InputError(
                f"--scales {scale:g}: makes it {format_size(size)}, smaller than the "
                f"network's minimum of {least}x{least}"
            )
        view = image[:, ::-1] if mirrored else image
        outputs, placement = self.run(np.ascontiguousarray(view), order, scale)
        with self.stages.stage("postprocess"):
            values, whole = self.cut(outputs, placement, base)
            if values.ndim == 2:
                raise InputError(NO_SCORES)
            scores = np.empty((*base, values.shape[2]), np.float32)
            for index in range(values.shape[2]):
                plane = plane_of(values, index, whole)[: base[0], : base[1]]
                scores[..., index] = plane
            scores = probabilities(scores, self.info.head)
            return scores[:, ::-1] if mirrored else scores


NO_SCORES = (
    "--flip and --scales average scores, and this network gives labels alone; export "
    "it with --head logits, or give its run"
)
