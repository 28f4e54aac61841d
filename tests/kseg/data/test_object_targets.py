from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from kseg.data.object_classes import ObjectClasses, classes_named
from kseg.data.object_targets import (
    FileTarget,
    MapTarget,
    classes_of,
    load_instances,
)
from kseg.data.objects_file import LabelledImage, LabelledObject

SIZE = (20, 30)
ORIENTATION = 0x0112  # the EXIF tag
PATH = Path("masks/a.png")


def save(path: Path, array, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


@pytest.fixture
def image(tmp_path) -> Path:
    return save(tmp_path / "images" / "a.png", np.zeros((*SIZE, 3), np.uint8))


def two_objects(dtype=np.uint16, second=300):
    """Object 1 has 10x10 pixels, the second 2x5."""
    instances = np.zeros(SIZE, dtype)
    instances[:10, :10] = 1
    instances[12:14, 20:25] = second
    return instances


def test_ids_up_to_65535_are_read(tmp_path, image):
    instances = two_objects(second=65535)
    path = save(tmp_path / "instances" / "a.png", instances)
    found = load_instances(path, image)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, instances)
    objects = MapTarget(path, None).read(image, classes_named(("x",)), masks=True)
    assert objects.boxes.tolist() == [[0, 0, 10, 10], [20, 12, 25, 14]]
    assert objects.class_ids.tolist() == [0, 0]
    assert [mask.sum() for mask in objects.masks] == [100, 10]


def test_eight_bits_are_read_too_and_boxes_need_no_masks(tmp_path, image):
    path = save(tmp_path / "instances" / "a.png", two_objects(np.uint8, 7))
    found = MapTarget(path, None).read(image, classes_named(("x",)), masks=False)
    assert found.boxes.tolist() == [[0, 0, 10, 10], [20, 12, 25, 14]]
    assert found.masks is None


@pytest.mark.parametrize("wrong", (0.5, float("nan")))
def test_ids_that_are_not_whole_numbers_are_refused(tmp_path, image, wrong):
    instances = two_objects(np.float32)
    instances[0, 0] = wrong
    path = save(tmp_path / "instances" / "a.tif", instances)
    with pytest.raises(InputError, match="a.tif: has ids that are not whole numbers"):
        load_instances(path, image)


def test_a_map_is_rotated_like_its_image(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # a quarter turn clockwise
    stored = np.zeros((*SIZE, 3), np.uint8)
    image = save(tmp_path / "images" / "a.jpg", stored, exif=exif)
    path = save(tmp_path / "instances" / "a.png", two_objects())
    target = MapTarget(path, None)
    assert target.check(image, (30, 20), classes_named(("x",))) == 1
    boxes = target.read(image, classes_named(("x",)), masks=False).boxes
    # x becomes y; the left edge is now at the top, the top edge at the right
    assert boxes.tolist() == [[10, 0, 20, 10], [6, 20, 8, 25]]


def test_the_class_of_an_object_is_that_of_its_pixels():
    instances = two_objects(second=3)
    mask = np.zeros(SIZE, np.uint8)
    mask[:10, :10] = 2
    mask[12:14, 20:25] = 1
    assert classes_of(instances, mask, 2, PATH).tolist() == [1, 0, 0]
    mask[0, 0] = 1  # 99 of 100 pixels are enough
    assert classes_of(instances, mask, 2, PATH).tolist() == [1, 0, 0]
    mask[0, 1] = 1
    words = r"masks/a.png: object 1 has the ids 2 \(98%\) and 1; give all its pixels"
    with pytest.raises(InputError, match=words):
        classes_of(instances, mask, 2, PATH)


@pytest.mark.parametrize("wrong", (0, 3, 255))
def test_an_object_needs_a_known_class(wrong):
    instances = np.ones(SIZE, np.uint16)
    mask = np.full(SIZE, wrong, np.uint8)
    words = f"object 1 has the id {wrong}; give it the id of a class, 1 to 2"
    with pytest.raises(InputError, match=words):
        classes_of(instances, mask, 2, PATH)


def test_masks_may_have_the_colours_of_the_classes(tmp_path, image):
    classes = ObjectClasses(("a", "b"), ((9, 9, 9), (1, 2, 3)), (None, (1, 2, 3)))
    mask = np.zeros((*SIZE, 3), np.uint8)
    mask[two_objects() > 0] = 1, 2, 3
    target = MapTarget(
        save(tmp_path / "instances" / "a.png", two_objects(second=2)),
        save(tmp_path / "masks" / "a.png", mask),
    )
    assert target.check(image, SIZE, classes) == 2
    assert target.read(image, classes, masks=True).class_ids.tolist() == [1, 1]


def test_maps_that_cannot_be_used(tmp_path, image):
    colored = save(tmp_path / "instances" / "a.png", np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(InputError, match="a.png: has colours instead of ids; save it"):
        load_instances(colored, image)
    lossy = save(tmp_path / "instances" / "a.jpg", np.zeros(SIZE, np.uint8))
    with pytest.raises(InputError, match="compression changes class ids"):
        load_instances(lossy, image)
    large = save(tmp_path / "instances" / "b.png", two_objects())
    target = MapTarget(large, None)
    with pytest.raises(InputError, match="b.png: is 20x30, but its image is 20x31"):
        target.check(image, (20, 31), None)
    mask = save(tmp_path / "masks" / "b.png", np.zeros((20, 29), np.uint8))
    with pytest.raises(InputError, match="masks.b.png: is 20x29, but its image is"):
        MapTarget(large, mask).check(image, SIZE, None)
    with pytest.raises(InputError, match="id 70000; ids must be from 0 to 65535"):
        load_instances(save(tmp_path / "c.tif", two_objects(np.int32, 70000)), image)


def test_a_listed_image_must_have_the_size_of_its_file(image):
    each = LabelledObject(3, (1, 2, 3, 4))
    target = FileTarget(Path("objects.json"), LabelledImage("a.png", SIZE, (each,)))
    assert target.check(image, SIZE, None) == 4
    assert target.without_outline == 1
    words = "a.png: the image is 21x30, but objects.json has it as 20x30; export"
    with pytest.raises(InputError, match=words):
        target.check(image, (21, 30), None)
