"""The report's section for objects, and the figures in a folder."""

import json
import re
from dataclasses import dataclass, replace
from html import unescape

import numpy as np
import pytest

from edge.core.images import read_image
from edge.model_file.info import InputGeometry
from edge.predict.base import Predictor
from kseg.data.objects import objects_of_map
from kseg.data.sample import Dataset, Sample
from kseg.evaluation.loop import evaluate
from kseg.evaluation.objects import ObjectEvaluator
from kseg.reporting.object_pictures import result_of_objects
from kseg.reporting.objects import (
    describe_errors,
    open_section,
    write_figures,
)
from tests.support.engines import ArrayEngine
from tests.support.objects import detections_of, objects_of

NAMES = ("disc", "<b>square</b>")
COLORS = ((230, 80, 60), (70, 160, 230))
SIZE = (40, 60)
IDS = np.int32([0, 1, 0])  # classes of the objects 1 to 3


@dataclass(frozen=True)
class Squares:
    """Images with up to three squares; the first channel has their numbers.

    Image i misses its last `missing[i]` objects in the second channel, which the
    predictor reads.
    """

    missing: tuple[int, ...]
    files = ()

    @property
    def names(self) -> list[str]:
        return [f"{index}.png" for index in range(len(self.missing))]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [SIZE] * len(self.missing)

    def read(self, index: int) -> Sample:
        image = np.zeros((*SIZE, 3), np.uint8)
        for number in range(1, 4):
            rows = columns = slice(12 * number - 8, 12 * number)
            image[rows, columns, 0] = number
            if number <= 3 - self.missing[index]:
                image[rows, columns, 1] = number
        return Sample(image, objects_of_map(image[..., 0], IDS))


class SecondChannel(ArrayEngine):
    def labels(self, image):
        return image[..., 1]


class MapPredictor(Predictor):
    """Reads the objects from a map; all scores are 1."""

    def with_decoder(self, changes):
        return MapPredictor(self.engine, replace(self.info, decoder=changes))

    def decode(self, outputs, placement, confidence):
        objects = objects_of_map(outputs[0].raw, IDS)
        return result_of_objects(objects, placement.image_size)


def data_of(*missing: int) -> Dataset:
    return Dataset("squares", NAMES, COLORS, {"val": Squares(missing)}, task="instance")


def evaluated(data: Dataset):
    """The predictor and the section after all images."""
    info = replace(data.info, geometry=InputGeometry(minimum=4))
    predictor = MapPredictor(SecondChannel(), info)
    evaluator = ObjectEvaluator(data.class_names, masks=True)
    section = open_section(data, "val", evaluator)
    evaluate(predictor, data.split("val"), evaluator, [section])
    return predictor, section


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page)))


def test_worst_images_have_the_lowest_accuracy():
    """Of 3 objects, 0, 2, 1 and 3 are missed; the first image has no error."""
    _, section = evaluated(data_of(0, 2, 1, 3))
    assert section.accuracies == [1, pytest.approx(1 / 3), pytest.approx(2 / 3), 0]
    assert section.worst == [3, 1, 2]
    metrics = section.all_metrics()
    assert metrics["split"] == "val" and metrics["errors"]["missed"] == 6
    assert metrics["per_picture_accuracy50"]["3.png"] == 0
    json.dumps(metrics, allow_nan=False)


def test_few_results_are_kept():
    _, section = evaluated(data_of(*[2] * 13, *[0] * 17, 3))
    assert len(section.worst) == 12 and section.worst[0] == 30
    assert section.worst[1:] == list(range(11))
    assert set(section.results) == {0, 6, 12, 18, 24, 30, *range(11)}


def test_the_page_has_the_values_of_the_metrics():
    _, section = evaluated(data_of(0, 1, 3))
    page, metrics = section.html(), section.metrics
    text = text_of(page)
    for name in NAMES:
        row = metrics["per_class"][name]
        assert f"{name} {row['ap']:.4f} {row['ap50']:.4f}" in text
    assert "missed 4" in text and "missed: 2 × disc, <b>square</b>" in text
    assert "<b>square</b>" not in page  # names are escaped
    assert page.count("data:image/jpeg") == 2 * 3 + 2 * 2  # samples, worst images
    assert page.count("data:image/svg+xml") == 2 * 3  # three figures, two styles
    sources = re.findall(r'(?:src|srcset)="([^"]*)"', page)
    assert all(source.startswith("data:image/") for source in sources)
    summary = text_of(section.summary())
    assert "3 images with 9 labelled objects" in summary
    assert f"Panoptic quality {metrics['pq']:.4f}" in summary
    assert f"AP50 {metrics['mask_ap50']:.4f}" in summary
    assert "COCO counts 100" not in summary


def test_a_page_without_errors_and_one_without_objects():
    text = text_of(evaluated(data_of(0))[1].html())
    assert "No image has an error" in text
    empty = replace(data_of(0), splits={"val": replace_targets(Squares((3,)))})
    _, section = evaluated(empty)
    text = text_of(section.html()) + text_of(section.summary())
    assert "No object is labelled" in text and "absent" in text
    assert "nan" not in text and "None" not in text


def replace_targets(split: Squares) -> Squares:
    """The split without labelled objects."""

    class Unlabelled(Squares):
        def read(self, index):
            image, _ = super().read(index)
            return Sample(image, objects_of([], []))

    return Unlabelled(split.missing)


def test_the_page_of_boxes_alone():
    data = replace(data_of(0), task="detection")
    evaluator = ObjectEvaluator(NAMES, masks=False)
    section = open_section(data, "val", evaluator)
    sample = data.split("val").read(0)
    result = detections_of([(4, 4, 12, 12)], [0], [0.9], SIZE)
    evaluator.add(sample.target, result)
    section.add(0, sample, result)
    assert "Panoptic" not in section.summary() and "masks" not in section.summary()
    assert "missed: <b>square</b>, disc" in text_of(section.html())


def test_more_results_than_coco_counts_are_said():
    data = data_of(0)
    evaluator = ObjectEvaluator(NAMES, masks=False)
    boxes = [(x, 0, x + 2, 2) for x in range(0, 180, 3)]
    evaluator.add(objects_of(boxes, [0] * 60), detections_of([], [], [], (9, 200)))
    text = text_of(open_section(data, "val", evaluator).summary())
    assert "counts at most 120 results of each class in an image" in text


def test_errors_in_words():
    """A disc found as a square, a second square on it, and one on nothing."""
    evaluator = ObjectEvaluator(("disc", "square"), masks=False)
    box = (0, 0, 10, 10)
    evaluator.add(
        objects_of([box, (20, 0, 30, 10)], [0, 0]),
        detections_of([box, box, (50, 50, 60, 60)], [1, 1, 0], [0.9, 0.8, 0.7]),
    )
    expected = "wrong class: 2 × square; background: disc; missed: disc"
    assert describe_errors(evaluator.outcomes[0], evaluator.names) == expected


def test_figures_are_written(tmp_path):
    data = data_of(0, 1)
    predictor, section = evaluated(data)
    names = write_figures(tmp_path, predictor, data.split("val"), section.evaluator)
    assert names == ("samples.png", "precision_recall.png", "errors.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    sheet = read_image(tmp_path / "samples.png")
    # Titles of 30 pixels and two rows; three cells of 284x426 and the names.
    assert sheet.shape == (30 + 2 * (284 + 6), 3 * (426 + 6) + 160, 3)
