"""CVAT's own XML. Images are 6x8."""

import math

import numpy as np
import pytest
from PIL import Image

import kseg
from tests.kseg.data.formats.conftest import Found

LABELS = "<label><name>dog</name></label><label><name>cat</name></label>"
SQUARE = 'points="2.00,2.00;4.00,2.00;4.00,4.00;2.00,4.00"'
CORNER = 'points="6,0;8,0;8,1;6,1"'
INSTANCE = ("--task", "instance")


def image(*shapes, name="a.jpg", number=0, size=(6, 8), **more) -> str:
    extra = "".join(f' {key}="{value}"' for key, value in more.items())
    start = f'<image id="{number}" name="{name}"{extra}'
    return f'{start} width="{size[1]}" height="{size[0]}">{"".join(shapes)}</image>'


def polygon(label="cat", points=SQUARE, extra="") -> str:
    return f'<polygon label="{label}" source="manual" occluded="0" {points} {extra}/>'


def box(x0, y0, x1, y1, label="dog", extra="") -> str:
    corners = f'xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}"'
    attribute = '<attribute name="a">b</attribute>'
    return f'<box label="{label}" {corners} {extra}>{attribute}</box>'


def xml(*images, labels=LABELS, root="task") -> str:
    meta = f"<meta><{root}><labels>{labels}</labels></{root}></meta>"
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
    return f"{head}{meta}{''.join(images)}</annotations>"


@pytest.fixture
def cvat(source, save, write):
    """Writes the shapes of image a; b has none."""

    def cvat(*shapes, **more):
        for stem in "ab":
            save(source / f"images/{stem}.jpg")
        images = image(*shapes, **more), image(name="b.jpg", number=1)
        return write(source / "annotations.xml", xml(*images))

    return cvat


@pytest.fixture
def found(cvat, objects_of):
    """The objects of image a with these shapes."""

    def found(*shapes, task="instance"):
        cvat(*shapes)
        return objects_of("--task", task)["a.jpg"]

    return found


def test_polygons(found):
    assert found(polygon(), polygon("dog", CORNER)) == [
        Found("cat", (2, 2, 4, 4), 4, parts=1),
        Found("dog", (6, 0, 8, 1), 2, parts=1),
    ]


def test_boxes(cvat, objects_of):
    """Where a box is labelled, the task is detection."""
    cvat(box(1, 1, 7, 5), polygon())
    assert objects_of()["a.jpg"] == [
        Found("dog", (1, 1, 7, 5), None),
        Found("cat", (2, 2, 4, 4), None),
    ]


def test_counts(cvat, counts_of):
    cvat(polygon(), polygon(points=CORNER))
    counts = counts_of()
    assert counts["format"] == "cvat"
    assert counts["task"] == "instance"
    assert counts["classes"] == ["dog", "cat"]
    assert counts["objects"]["classes"] == {"dog": 0, "cat": 2}
    assert counts["objects"]["empty"] == 1


def test_a_rotated_box_is_a_polygon(found):
    """4 wide and 2 high around (4, 3); after 90 degrees 2 wide and 4 high."""
    assert found(box(2, 2, 6, 4, extra='rotation="90.0"')) == [
        Found("dog", (3, 1, 5, 5), 8, parts=1)
    ]


def test_a_box_rotated_by_45_degrees(found):
    """The diagonal of a square of side 2 is 2.828."""
    (one,) = found(box(3, 2, 5, 4, extra='rotation="45.0"'))
    half = math.sqrt(2)
    assert one.box == pytest.approx((4 - half, 3 - half, 4 + half, 3 + half), abs=1e-3)


def test_a_mask_is_rows_in_a_window(found):
    """2 rows of 3 pixels at column 4, row 1: .xx and x..; the first run is outside."""
    shape = '<mask label="cat" rle="1, 3, 2" left="4" top="1" width="3" height="2"/>'
    assert found(shape) == [Found("cat", (4, 1, 7, 3), 3)]


def test_the_pixels_of_a_mask(cvat, prepared):
    shape = '<mask label="cat" rle="1, 3, 2" left="4" top="1" width="3" height="2"/>'
    cvat(shape)
    data = prepared("--task", "semantic")
    masks = [split.read(0)[1] for split in data.splits.values()]
    (mask,) = (mask for mask in masks if mask.any())
    assert np.argwhere(mask).tolist() == [[1, 5], [1, 6], [2, 4]]
    assert mask.max() == 2  # background, dog, cat


def test_a_mask_that_reaches_outside_is_cut(found):
    shape = '<mask label="cat" rle="0, 6" left="-1" top="5" width="3" height="2"/>'
    assert found(shape) == [Found("cat", (0, 5, 2, 6), 2)]


def test_an_ellipse_is_a_polygon(found):
    (one,) = found('<ellipse label="cat" cx="4" cy="3" rx="3" ry="2"/>')
    assert one.box == (1, 1, 7, 5)
    assert one.area == pytest.approx(math.pi * 6, abs=2)


def test_shapes_of_one_group_are_one_object(found):
    group = 'group_id="3"'
    shapes = polygon(extra=group), polygon(points=CORNER, extra=group)
    others = polygon("dog", extra=group), polygon(extra='group_id="0"')
    alone = polygon(points=CORNER)
    cat = Found("cat", (2, 2, 4, 4), 4, parts=1)
    assert found(*shapes, *others, alone) == [
        Found("cat", (2, 0, 8, 4), 4 + 2, parts=2),
        cat._replace(name="dog"),
        cat,
        Found("cat", (6, 0, 8, 1), 2, parts=1),
    ]


def test_boxes_of_one_group_are_one_box(found):
    group = 'group_id="3"'
    shapes = box(1, 1, 2, 2, extra=group), box(4, 3, 6, 5, extra=group)
    assert found(*shapes, task="detection") == [Found("dog", (1, 1, 6, 5), None)]


def test_what_has_no_area_is_left_out_and_counted(cvat, counts_of):
    cvat(
        '<points label="cat" points="1,1;2,2"/>',
        '<polyline label="cat" points="1,1;2,2;3,3"/>',
        '<cuboid label="cat"/>',
        '<tag label="cat"/>',
        polygon(points='points="1,1;2,2"'),
        '<mask label="cat" rle="4" left="0" top="0" width="2" height="2"/>',
        polygon(),
    )
    counts = counts_of(*INSTANCE)["objects"]
    assert counts["classes"] == {"dog": 0, "cat": 1}
    assert counts["skipped"] == {
        "shapes of type points": 1,
        "shapes of type polyline": 1,
        "shapes of type cuboid": 1,
        "polygons with fewer than 3 points": 1,
        "empty masks": 1,
    }


def test_images_of_one_name_stay_apart(source, save, write, objects_of):
    """Frames of several folders."""
    for folder in ("", "x/", "y/"):
        save(source / f"images/{folder}a.jpg")
    images = (
        image(polygon(), name="x/a.jpg", number=4),
        image(polygon("dog"), name="y/a.jpg", number=5),
        image(polygon(), polygon(points=CORNER), name="a.jpg", number=7),
    )
    write(source / "annotations.xml", xml(*images))
    found = objects_of(*INSTANCE)
    names = {name: [one.name for one in objects] for name, objects in found.items()}
    assert names == {
        "a.jpg": ["cat"],
        "y_a.jpg": ["dog"],
        "a_7.jpg": ["cat", "cat"],
    }


def test_one_image_for_the_frames_of_two_tasks_is_refused(
    source, save, write, error_message
):
    """A project's export keeps one image of two with the same name."""
    path = save(source / "images/a.jpg")
    images = image(polygon(), number=6), image(polygon("dog"), number=7)
    annotations = write(source / "annotations.xml", xml(*images))
    message = error_message(*INSTANCE)
    assert message.startswith(f"{path}: is labelled twice, by image 6 of {annotations}")
    assert "image 7" in message


def test_subsets_of_a_project_are_splits(source, save, write, prepared_objects, target):
    for subset, level in (("Train", 10), ("Validation", 200)):
        save(source / f"images/{subset}/a.png", np.full((6, 8, 3), level))
    images = (
        image(polygon(), name="a.png", subset="Train"),
        image(polygon("dog"), name="a.png", subset="Validation"),
    )
    write(source / "annotations.xml", xml(*images, root="project"))
    found = prepared_objects()
    assert found["train"]["a.png"][0].name == "cat"
    assert found["val"]["a.png"][0].name == "dog"
    assert np.asarray(Image.open(target / "val/images/a.png")).max() == 200


def test_the_name_of_the_whole_export_is_no_split(source, save, write, target):
    save(source / "val/images/a.png")
    save(source / "val/images/b.png")
    images = (image(polygon(), name="a.png"), image(polygon(), name="b.png"))
    write(source / "val/annotations.xml", xml(*images))
    assert kseg.prepare(source / "val", target).splits == {"train": 1, "val": 1}


def test_frames_of_a_video_have_no_suffix(source, save, write, objects_of):
    for number in range(2):
        save(source / f"images/frame_{number}.PNG")
    images = [image(polygon(), name=f"frame_{number}") for number in range(2)]
    write(source / "annotations.xml", xml(*images))
    assert sorted(objects_of()) == ["frame_0.PNG", "frame_1.PNG"]


def test_labels_that_the_task_does_not_list(source, save, write, counts_of):
    for stem in "ab":
        save(source / f"images/{stem}.jpg")
    images = image(polygon("bird"), polygon()), image(name="b.jpg")
    write(source / "annotations.xml", xml(*images, labels=""))
    assert counts_of()["classes"] == ["bird", "cat"]


# --- errors ---


@pytest.mark.parametrize(
    "shape, word",
    (
        (polygon(points='points="1,1;2;3,3"'), "expected x,y"),
        (polygon(points='points="1,1;2,nan;3,3"'), "expected x,y"),
        (box(1, 1, "a", 5), "xbr 'a'"),
        (box(1, 1, "inf", 5), "not a number"),
        ('<box label="dog"/>', "xtl ''"),
        ('<mask label="cat" rle="1,2" left="0" top="0" width="2" height="2"/>', "be 4"),
        ('<mask label="cat" rle="-1,5" left="0" top="0" width="2" height="2"/>', "2x2"),
        (
            '<mask label="cat" rle="1000000000000" left="0" top="0" width="1000000" '
            'height="1000000"/>',
            "far larger",
        ),
    ),
)
def test_invalid_shapes(cvat, error_message, shape, word):
    path = cvat(shape)
    message = error_message("--task", "detection")
    assert f"{path}: image a.jpg: " in message
    assert word in message


def test_image_of_another_size(cvat, source, error_message):
    cvat(polygon(), size=(6, 9))
    message = error_message()
    assert str(source / "images/a.jpg") in message
    assert "6x9" in message


def test_missing_image(cvat, source, error_message):
    cvat(polygon(), name="c.jpg")
    assert "c.jpg is missing" in error_message()


def test_tracks_of_a_video_are_refused(cvat, write, error_message):
    path = cvat()
    write(path, xml('<track id="0" label="cat"></track>'))
    assert "export it as CVAT for images 1.1" in error_message()


@pytest.mark.parametrize("height, seen", [(1, [1]), (0, [1, 2])])
def test_in_masks_a_higher_layer_is_on_top(cvat, masks_of, height, seen):
    """The cat, inside the dog, is on top if their z_order is the same."""
    whole = 'points="0,0;8,0;8,6;0,6"'
    cvat(polygon(extra='z_order="0"'), polygon("dog", whole, f'z_order="{height}"'))
    masks = masks_of("train", "--task", "semantic")
    assert np.unique(masks["a"]).tolist() == seen


def test_shapes_that_masks_lack_are_counted(cvat, counts_of, caplog):
    line = '<polyline label="dog" points="0,0;3,3"/>'
    cvat(polygon(), line, line)
    counts = counts_of("--task", "semantic")
    assert counts["masks"]["skipped"] == {"shapes of type polyline": 2}
    assert "left out of the masks: 2 shapes of type polyline" in caplog.text
