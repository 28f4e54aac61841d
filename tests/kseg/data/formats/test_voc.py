import numpy as np
import pytest
from PIL import Image

from edge.core.constants import palette

LABELMAP = """# label:color_rgb:parts:actions
Cat:48,112,32::
background:0,0,0::
Dog:176,112,32:head,paw:barking
"""
CAT, BLACK, DOG = (48, 112, 32), (0, 0, 0), (176, 112, 32)
BORDER = (224, 224, 192)


@pytest.fixture
def cvat(source, save, write):
    """A task as CVAT exports it: RGB masks, one list named default."""
    write(source / "labelmap.txt", LABELMAP)
    write(source / "ImageSets/Segmentation/default.txt", "a\nb\n")
    for stem in "ab":
        save(source / f"JPEGImages/{stem}.jpg", size=(2, 3))
        mask = [[BLACK, CAT, CAT], [DOG, DOG, BLACK]]
        save(source / f"SegmentationClass/{stem}.png", mask)
        save(source / f"SegmentationObject/{stem}.png", mask)
    return source


@pytest.fixture
def voc(source, save, write):
    """Pascal VOC: palette masks, lists of train, val and both."""
    lists = {"train": ["2007_1"], "val": ["2007_2"], "trainval": ["2007_1", "2007_2"]}
    for name, stems in lists.items():
        write(source / f"ImageSets/Segmentation/{name}.txt", "\n".join(stems) + "\n")
    for stem in lists["trainval"]:
        save(source / f"JPEGImages/{stem}.jpg", size=(2, 3))
        save_palette(
            source / f"SegmentationClass/{stem}.png", [[0, 20, 255], [1, 1, 0]]
        )
    save(source / "JPEGImages/2007_9.jpg")  # for detection, in no list
    return source


def save_palette(path, ids, colors=None):
    mask = Image.fromarray(np.array(ids, np.uint8)).convert("P")
    mask.putpalette(np.array(colors or palette(256), np.uint8).ravel().tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    mask.save(path)


NAMES = "_background_\ncrack\nrust\n"


@pytest.fixture
def of_labelme(source, save, write):
    """labelme's exporter: ids in the order of class_names.txt, no lists."""
    write(source / "class_names.txt", NAMES)
    for stem in "ab":
        save(source / f"JPEGImages/{stem}.jpg", size=(2, 3))
        save_palette(source / f"SegmentationClass/{stem}.png", [[0, 1, 2], [255, 2, 2]])
    return source


@pytest.mark.parametrize(
    ("name", "text"),
    (
        ("class_names.txt", NAMES),
        ("class_names.txt", "\ufeff" + NAMES.replace("\n", "\r\n")),
        ("labels.txt", f"__ignore__\n{NAMES}"),
    ),
)
def test_names_of_labelmes_exporter(of_labelme, write, prepared, name, text):
    (of_labelme / "class_names.txt").unlink()
    write(of_labelme / name, text)
    data = prepared()
    assert data.class_names == ("background", "crack", "rust")
    assert data.split("train").read(0)[1].tolist() == [[0, 1, 2], [255, 2, 2]]


def test_masks_of_older_exporters_are_beside_arrays(of_labelme, prepared):
    (of_labelme / "SegmentationClass").rename(of_labelme / "SegmentationClassPNG")
    arrays = of_labelme / "SegmentationClass"
    arrays.mkdir()
    np.save(arrays / "a.npy", np.zeros((2, 3)))
    assert prepared().split("train").read(0)[1].tolist() == [[0, 1, 2], [255, 2, 2]]


@pytest.mark.parametrize("suffix", [".PNG", ".bmp", ".tif"])
def test_masks_may_have_other_suffixes(of_labelme, save, counts_of, suffix):
    (of_labelme / "SegmentationClass/b.png").unlink()
    save(of_labelme / f"SegmentationClass/b{suffix}", [[0, 1, 2], [255, 2, 2]])
    assert counts_of()["masks"]["pixels"]["rust"] == 6


def test_masks_with_lossy_compression_are_named(of_labelme, save, error_message):
    (of_labelme / "SegmentationClass/b.png").unlink()
    path = save(of_labelme / "SegmentationClass/b.jpg", [[0, 1, 2], [255, 2, 2]])
    assert error_message().startswith(f"{path}: is JPEG inside, and lossy compression")


def test_masks_that_no_list_names_are_counted(voc, save, prepared, capsys):
    save_palette(voc / "SegmentationClass/2007_9.png", [[0, 20, 255], [1, 1, 0]])
    assert len(prepared().splits) == 2
    assert "left out 1 files of labels that no list" in capsys.readouterr().err


def test_a_list_without_background_could_begin_at_0_or_1(
    of_labelme, write, error_message
):
    (of_labelme / "class_names.txt").unlink()
    path = write(of_labelme / "labels.txt", "crack\nrust\n")
    assert error_message().startswith(f"{path}: names no background")


def test_names_that_are_written_differently_meet(source, save, write, prepared):
    """The masks come from a Mac, the list from elsewhere."""
    write(source / "class_names.txt", NAMES)
    for stem, other in (("caf\u00e9", "cafe\u0301"), ("b 1", "b%201")):
        save(source / f"JPEGImages/{stem}.jpg", size=(2, 3))
        save_palette(source / f"SegmentationClass/{other}.png", [[0, 1, 2], [2, 2, 2]])
    write(source / "ImageSets/Segmentation/train.txt", "caf\u00e9\nb 1\n")
    data = prepared()
    assert sum(len(split.names) for split in data.splits.values()) == 2


def test_an_id_without_a_name(of_labelme, error_message):
    save_palette(of_labelme / "SegmentationClass/a.png", [[0, 3, 2], [0, 0, 0]])
    assert "id 3 at row 0, column 1" in error_message()


def test_names_of_voc_are_said_to_be_assumed(of_labelme, prepared, capsys):
    (of_labelme / "class_names.txt").unlink()
    assert len(prepared().class_names) == 21
    assert "are taken for the 21 classes of Pascal VOC" in capsys.readouterr().err


def test_a_name_in_the_lists_of_two_splits_is_refused(voc, write, error_message):
    path = write(voc / "ImageSets/Segmentation/val.txt", "2007_1\n2007_2\n")
    message = error_message()
    assert message.startswith(f"{path}: lists '2007_1', and so does ")
    assert "train.txt" in message and "trainval" not in message


def test_names_in_lists_may_have_suffixes(voc, write, prepared):
    write(voc / "ImageSets/Segmentation/val.txt", "2007_2.jpg\n")
    assert prepared().split("val").names == ["2007_2.jpg"]


def test_cvat(cvat, prepared):
    data = prepared("--val-share", "0.5")
    assert data.class_names == ("background", "Cat", "Dog")
    assert data.colors == (BLACK, CAT, DOG)
    assert {s: len(split.names) for s, split in data.splits.items()} == {
        "train": 1,
        "val": 1,
    }
    for split in data.splits.values():
        assert split.read(0)[1].tolist() == [[0, 1, 1], [2, 2, 0]]


def test_background_missing_in_labelmap_is_black(cvat, write, prepared):
    write(cvat / "labelmap.txt", "Cat:48,112,32::\nDog:176,112,32::\n")
    data = prepared()
    assert data.class_names == ("background", "Cat", "Dog")
    assert data.split("train").read(0)[1].tolist() == [[0, 1, 1], [2, 2, 0]]


def test_void_of_labelmap_is_ignored(cvat, write, prepared):
    write(cvat / "labelmap.txt", LABELMAP.replace("Dog", "Ignored"))
    data = prepared()
    assert data.class_names == ("background", "Cat")
    assert data.split("train").read(0)[1].tolist() == [[0, 1, 1], [255, 255, 0]]


def test_palette_masks_with_labelmap_are_read_by_colour(cvat, prepared):
    for stem in "ab":
        path = cvat / f"SegmentationClass/{stem}.png"
        save_palette(path, [[0, 2, 2], [1, 1, 0]], [BLACK, DOG, CAT])
    assert prepared().split("train").read(0)[1].tolist() == [[0, 1, 1], [2, 2, 0]]


def test_grey_masks_with_labelmap_are_read_by_line_number(cvat, save, prepared):
    for stem in "ab":  # line 0 is Cat, 1 background, 2 Dog
        save(cvat / f"SegmentationClass/{stem}.png", [[1, 0, 0], [2, 2, 1]])
    assert prepared().split("train").read(0)[1].tolist() == [[0, 1, 1], [2, 2, 0]]


def test_labelmap_without_colours_is_vocs_palette(cvat, write, save, prepared):
    write(cvat / "labelmap.txt", "background:::\nCat:::\nDog:::\n")
    colors = np.array(palette(3))
    for stem in "ab":
        save(cvat / f"SegmentationClass/{stem}.png", colors[[[0, 1, 1], [2, 2, 0]]])
    assert prepared().split("train").read(0)[1].tolist() == [[0, 1, 1], [2, 2, 0]]


def test_unlabelled_frames_are_left_out(cvat, save, write, prepared, capsys):
    write(cvat / "ImageSets/Segmentation/default.txt", "a\nb\nc\n")
    save(cvat / "JPEGImages/c.jpg")
    splits = prepared().splits.values()
    assert sorted(name for s in splits for name in s.names) == ["a.jpg", "b.jpg"]
    assert "left out without labels: 1" in capsys.readouterr().err


def test_names_with_blanks_and_folders(cvat, save, write, prepared):
    write(cvat / "ImageSets/Segmentation/Train.txt", "cam 1/frame 7\n")
    write(cvat / "ImageSets/Segmentation/Validation.txt", "b\n")
    save(cvat / "JPEGImages/cam 1/frame 7.PNG", size=(2, 3))
    save(cvat / "SegmentationClass/cam 1/frame 7.png", [[DOG] * 3] * 2)
    data = prepared()
    assert data.split("train").names == ["a.jpg", "frame 7.PNG"]
    assert data.split("val").names == ["b.jpg"]
    assert data.split("train").read(1)[1].tolist() == [[2] * 3] * 2


def test_pascal_voc(voc, prepared):
    data = prepared()
    assert data.num_classes == 21
    assert (data.class_names[0], data.class_names[1], data.class_names[20]) == (
        "background",
        "aeroplane",
        "tvmonitor",
    )
    assert data.colors == palette(21)
    assert data.split("train").names == ["2007_1.jpg"]
    assert data.split("val").names == ["2007_2.jpg"]
    assert data.split("val").read(0)[1].tolist() == [[0, 20, 255], [1, 1, 0]]


def test_pascal_voc_in_colours(voc, save, prepared):
    colors = palette(21)
    for path in (voc / "SegmentationClass").iterdir():
        save(path, [[colors[0], colors[20], BORDER], [colors[1], colors[1], colors[0]]])
    mask = prepared().split("val").read(0)[1]
    assert mask.tolist() == [[0, 20, 255], [1, 1, 0]]


def test_without_lists_every_mask_is_used(voc, prepared):
    for path in (voc / "ImageSets/Segmentation").iterdir():
        path.unlink()
    data = prepared()
    assert [len(split.names) for split in data.splits.values()] == [1, 1]


def test_rotated_photo(cvat, save, prepared):
    """The mask is upright, the photo is stored rotated; both are read upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for stem in "ab":
        save(cvat / f"JPEGImages/{stem}.jpg", size=(3, 2), exif=exif)
    split = prepared().split("train")
    image, mask = split.read(0)
    assert image.shape == (2, 3, 3)
    assert mask.tolist() == [[0, 1, 1], [2, 2, 0]]


def test_rotated_photo_with_its_mask_as_stored(cvat, save, prepared):
    exif = Image.Exif()
    exif[0x0112] = 6  # displayed rotated clockwise
    for stem in "ab":
        save(cvat / f"JPEGImages/{stem}.jpg", size=(3, 2), exif=exif)
        stored = np.rot90(np.array([[BLACK, CAT, CAT], [DOG, DOG, BLACK]]))
        save(cvat / f"SegmentationClass/{stem}.png", stored)
    assert prepared().split("train").read(0)[1].tolist() == [[0, 1, 1], [2, 2, 0]]


# --- errors ---


def test_colour_missing_in_labelmap(cvat, save, error_message):
    path = cvat / "SegmentationClass/b.png"
    save(path, [[BLACK, CAT, (1, 2, 3)], [DOG, DOG, BLACK]])
    message = error_message()
    assert str(path) in message
    assert "[1, 2, 3] at row 0, column 2 is not in labelmap.txt" in message


def test_id_outside_voc(voc, error_message):
    path = voc / "SegmentationClass/2007_2.png"
    save_palette(path, [[0, 21, 0], [0, 0, 0]])
    assert f"{path}: id 21 at row 0, column 1" in error_message()


def test_missing_image(cvat, error_message, masks_of, capsys, write, save):
    write(cvat / "ImageSets/Segmentation/default.txt", "a\nb\nc\n")
    save(cvat / "JPEGImages/c.jpg", size=(2, 3))
    save(cvat / "SegmentationClass/c.png", [[CAT] * 3] * 2)
    (cvat / "JPEGImages/b.jpg").unlink()
    message = error_message()
    assert str(cvat / "SegmentationClass/b.png") in message
    assert "--skip-missing" in message
    assert len(masks_of("train", "--skip-missing")) == 1
    assert "left out without image: 1" in capsys.readouterr().err


def test_export_without_its_images(cvat, error_message):
    """CVAT exports them only if asked to."""
    for path in (cvat / "JPEGImages").iterdir():
        path.unlink()
    (cvat / "JPEGImages").rmdir()
    message = error_message()
    assert str(cvat / "JPEGImages/a.jpg") in message
    assert "export the images too" in message


def test_two_images_with_the_same_stem(cvat, save, error_message):
    path = save(cvat / "JPEGImages/a.png", size=(2, 3))
    assert str(path) in error_message()


def test_equal_stems_in_two_folders_stay_two_frames(cvat, save, write, prepared):
    write(cvat / "ImageSets/Segmentation/default.txt", "a\nx/a\n")
    save(cvat / "JPEGImages/x/a.jpg", size=(2, 3))
    save(cvat / "SegmentationClass/x/a.png", [[CAT] * 3] * 2)
    masks = {}
    for split in prepared().splits.values():
        masks |= {n: split.read(i)[1].tolist() for i, n in enumerate(split.names)}
    assert masks == {"a.jpg": [[0, 1, 1], [2, 2, 0]], "x_a.jpg": [[1] * 3] * 2}


def test_mask_of_another_size(cvat, save, error_message):
    save(cvat / "SegmentationClass/b.png", [[CAT] * 4] * 2)
    message = error_message()
    assert str(cvat / "JPEGImages/b.jpg") in message
    assert "2x3" in message and "2x4" in message


@pytest.mark.parametrize(
    "line", ("Cat", "Cat:1,2", "Cat:1,2::", "Cat:1,2,300::", "Cat:a,b,c::", "Cat:1,2,3")
)
def test_invalid_line_of_labelmap(cvat, write, error_message, line):
    path = write(cvat / "labelmap.txt", LABELMAP + line + "\n")
    message = error_message()
    assert str(path) in message
    assert repr(line) in message


def test_label_without_a_colour_among_others(cvat, write, error_message):
    write(cvat / "labelmap.txt", LABELMAP + "Cow:::\n")
    assert "'Cow' has no colour" in error_message()


@pytest.mark.parametrize("line", ("Cat:1,2,3::", "Cow:48,112,32::"))
def test_repeated_name_or_colour(cvat, write, error_message, line):
    path = write(cvat / "labelmap.txt", LABELMAP + line)
    assert str(path) in error_message()


@pytest.mark.parametrize("count", (255, 300))
def test_more_classes_than_a_byte_holds(cvat, write, error_message, count):
    lines = [f"c{i}:{i % 256},{i // 256},9::" for i in range(count)]  # and background
    write(cvat / "labelmap.txt", "\n".join(lines))
    message = error_message()
    assert str(cvat / "labelmap.txt") in message
    assert "255" in message or "the maximum is 256" in message


def test_truncated_image(cvat, error_message):
    path = cvat / "JPEGImages/a.jpg"
    path.write_bytes(path.read_bytes()[:-50])
    message = error_message()
    assert str(path) in message
    assert "truncated" in message


def test_nothing_labelled(cvat, error_message):
    for path in (cvat / "SegmentationClass").iterdir():
        path.unlink()
    message = error_message()
    assert str(cvat) in message
    assert "2 without labels" in message


def test_a_first_class_named_void_keeps_its_id(of_labelme, write, masks_of):
    """Only `__ignore__` before the background, of labelme's own lists, has no id."""
    write(of_labelme / "class_names.txt", "unlabeled\ncrack\nrust\n")
    assert masks_of()["a"] == [[255, 0, 1], [255, 1, 1]]


def test_lists_with_another_column_are_not_blamed_on_labels(voc, write, error_message):
    for name in ("train", "val", "trainval"):
        write(voc / f"ImageSets/Segmentation/{name}.txt", f"2007_1 {name}\n")
    assert error_message() == (
        f"{voc}/SegmentationClass: has no labels of the names in ImageSets/, such as "
        "'2007_1 train'; give each line of the lists one name, such as 2007_1"
    )
