"""Test-time augmentation: tiles at full size, mirrored passes and several scales.

Papers call it multi-scale and flip testing; tiles (a sliding window) bound the memory
that large images need. Every pass is one run of the network.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Any, List, NamedTuple, Optional, Tuple

import numpy as np

from edge.core.constants import FULL_SIZE_TILE
from edge.core.errors import InputError
from edge.core.images import format_size
from edge.predict.map_values import over_threshold
from edge.predict.resizing import resize_plane, scale_size
from edge.predict.results import SemanticMap
from edge.predict.semantic import (
    SemanticPredictor,
    probabilities,
    scores_to_confidence,
    scores_to_labels,
)
from edge.predict.tiling import tile_stride

MARGIN = 64  # pixels at a tile's edge that are discarded, at most
STEP = 32  # output stride of the coarsest encoders: tiles start at their cells


@dataclass(frozen=True)
class TTA:
    """Options of test-time augmentation; the defaults are a single pass.

    `full_size` predicts images at full size instead of scaling them down to the run's
    max_side. `tile` (height, width) implies it; larger images are predicted in
    overlapping tiles. `flip` adds the mirrored image. `scales` are relative to the
    default input size.
    """

    full_size: bool = False
    flip: bool = False
    scales: Tuple[float, ...] = (1.0,)
    tile: Optional[Tuple[int, int]] = None

    @property
    def uses_tiles(self) -> bool:
        return self.full_size or self.tile is not None

    @property
    def averages(self) -> bool:
        return self.flip or self.scales != (1.0,)


class Span(NamedTuple):
    """One side of a tile, without the margin that is discarded.

    The tile reads `source` of the image and writes `target` of it, which is `inner` of
    the tile.
    """

    source: slice
    target: slice
    inner: slice


def spans(length: int, tile: int, margin: int, step: int) -> List[Span]:
    """Overlapping tiles along one side of an image, at multiples of `step`.

    At least `margin` pixels at each end of a tile are discarded, except at the ends of
    the image. The last tile is up to `step` - 1 pixels longer than `tile`.

    >>> [(s.source, s.target) for s in spans(10, tile=6, margin=1, step=1)]
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
    """A semantic predictor with test-time augmentation.

    The scores of all passes are converted to probabilities at the size of a single
    pass, and averaged, so that large logits of one pass do not dominate. DeepLab does
    the same (`predict_labels_multi_scale` of its code; Chen, Papandreou, Schroff and
    Adam, 2017, section 4.1).

    The margin of a tile is discarded: 64 pixels, at most a quarter of its shorter side;
    for networks of valid convolutions it is their border, and the labels then equal
    those of a single pass. With a U-Net on MobileNetV2 on CamVid enlarged twice, in
    tiles of 512x512, 0.3 % of the labels differ from a single pass; without a margin
    0.7 %. Tiles that start between the encoder's cells, as the last tile of a network
    of fixed size does, increase it to 1.2 %.
    Raises InputError for options that the network does not support.
    """

    def __init__(self, predictor: SemanticPredictor, tta: TTA):
        info = predictor.info
        if tta.uses_tiles:
            info = replace(info, max_side=sys.maxsize)
        super().__init__(predictor.engine, info, predictor.stages)
        self.tta = tta
        self.tile = self._tile() if tta.uses_tiles else None
        self._check_averaging()

    @property
    def averages(self) -> bool:
        """Whether the scores of several passes are averaged."""
        return self.tta.averages

    @property
    def has_fixed_size(self) -> bool:
        """Whether the network accepts images of one size only."""
        return self.engine.size is not None and not self.info.geometry.valid_border

    @property
    def margin(self) -> int:
        return self.info.geometry.valid_border or min(MARGIN, min(self.tile) // 4)

    def _tile(self) -> tuple[int, int]:
        """The tile size, requested or default.

        Raises InputError if it is too small, or not the size of a network of fixed
        size.
        """
        if self.has_fixed_size:
            box = self.engine.size
            if self.tta.tile not in (None, box):
                raise InputError(
                    f"--tile {format_size(self.tta.tile)}: the network accepts only "
                    f"{format_size(box)}; leave it out"
                )
            return box
        tile = self.tta.tile or FULL_SIZE_TILE
        minimum = max(
            self.info.geometry.minimum, 2 * self.info.geometry.valid_border + STEP
        )
        if min(tile) < minimum:
            raise InputError(
                f"--tile {format_size(tile)}: too small for this network; use at least "
                f"{minimum}x{minimum}"
            )
        return tile

    def _check_averaging(self) -> None:
        """Raises InputError if the scores of several passes cannot be averaged."""
        if self.tta.averages and self.info.head == "labels":
            raise InputError(NO_SCORES)
        if self.has_fixed_size and self.tta.scales != (1.0,):
            raise InputError(
                f"--scales: the network accepts only {format_size(self.engine.size)}; "
                "use the run that it was exported from"
            )

    def predict(
        self, image: np.ndarray, order: str = "RGB", confidence: bool = False
    ) -> SemanticMap:
        """Like `Predictor.predict`, with all passes."""
        size = image.shape[:2]
        if self.tile is None:
            return self._predict_tile(image, order, confidence)
        step = 1 if self.has_fixed_size else STEP
        labels = np.empty(size, np.uint8)
        certainty = np.empty(size, np.float32) if confidence else None
        across = spans(size[1], self.tile[1], self.margin, step)
        for y in spans(size[0], self.tile[0], self.margin, step):
            for x in across:
                tile = image[y.source, x.source]
                part = self._predict_tile(tile, order, confidence)
                labels[y.target, x.target] = part.labels[y.inner, x.inner]
                if part.confidence is None:
                    certainty = None
                else:
                    inner = part.confidence[y.inner, x.inner]
                    certainty[y.target, x.target] = inner
        return SemanticMap(labels, certainty)

    def _predict_tile(
        self, image: np.ndarray, order: str, confidence: bool
    ) -> SemanticMap:
        """Like `predict`, for one tile or an image that needs no tiles."""
        if not self.averages:
            return super().predict(image, order, confidence)
        size, base = image.shape[:2], self.content_size_of(image.shape[:2])
        total: Any = 0
        for scale in self.tta.scales:
            for mirrored in (False, True)[: 1 + self.tta.flip]:
                total += self._probabilities(image, order, scale, mirrored, base)
        total /= len(self.tta.scales) * (1 + self.tta.flip)
        if self.threshold is None:
            labels = scores_to_labels(total, size)
        else:
            labels = over_threshold(resize_plane(total, 1, size), self.threshold)
        if not confidence:
            return SemanticMap(labels)
        if self.temperature != 1:  # after the mean, so that labels do not depend on it
            options = ("probabilities", self.temperature)
            return SemanticMap(labels, scores_to_confidence(total, size, *options))
        best = total.max(axis=2, keepdims=True)
        return SemanticMap(labels, resize_plane(best, 0, size))

    def _probabilities(
        self,
        image: np.ndarray,
        order: str,
        scale: float,
        mirrored: bool,
        base: tuple[int, int],
    ) -> np.ndarray:
        """One pass -> (*base, C) float32 probabilities; mirrored ones flipped back."""
        size = scale_size(base, scale)
        if scale < 1 and min(size) < self.info.geometry.minimum:
            minimum = self.info.geometry.minimum
            raise InputError(
                f"--scales {scale:g}: the input of {format_size(size)} is smaller than "
                f"the network's minimum of {minimum}x{minimum}"
            )
        view = image[:, ::-1] if mirrored else image
        outputs, placement = self.run(np.ascontiguousarray(view), order, scale)
        with self.stages.stage("postprocess"):
            values, full_size = self.crop_map(outputs, placement, base)
            if values.ndim == 2:
                raise InputError(NO_SCORES)
            scores = np.empty((*base, values.shape[2]), np.float32)
            for index in range(values.shape[2]):
                plane = resize_plane(values, index, full_size)[: base[0], : base[1]]
                scores[..., index] = plane
            scores = probabilities(scores, self.head)
            return scores[:, ::-1] if mirrored else scores


NO_SCORES = (
    "--flip and --scales average scores, but this model outputs labels only; export "
    "it with --head logits, or use its run"
)
