import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from kseg.data.masks import read_classes
from kseg.data.open import declared_task, open_data

SIZE = (16, 24)
ORIENTATION = 0x0112  # the EXIF tag

# Four quarters that change with every rotation and reflection.
QUARTERS = np.zeros(SIZE, np.uint8)
QUARTERS[:8, 12:] = 1
QUARTERS[8:, :12] = 2

COLORS = ((0, 0, 0), (200, 30, 10), (10, 60, 250))
CLASSES = [
    {"name": name, "color": color}
    for name, color in zip(("ground", "roof", "water"), COLORS, strict=True)
]
VOID = {"name": "void", "color": (90, 90, 90)}


def save(path: Path, image, **options) -> Path:
    """Saves an array or a Pillow image, and creates the folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(path, **options)
    return path


def image_of(mask: np.ndarray) -> np.ndarray:
    """An RGB image that shows the mask: id 0 is dark, 2 is bright."""
    return np.repeat(mask[..., None] * 100, 3, axis=2).astype(np.uint8)


def save_pair(split: Path, stem: str, mask, image=None) -> None:
    image = image_of(QUARTERS) if image is None else image
    save(split / "images" / f"{stem}.png", image)
    save(split / "masks" / f"{stem}.png", mask)


def declare(folder: Path, classes, **more) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classes.json").write_text(
        json.dumps({"classes": classes, **more}), encoding="utf-8"
    )


def folder_of(folder: Path, mask, image=None) -> Path:
    """A data folder with the same pair for training and for validation."""
    for split in ("train", "val"):
        save_pair(folder / split, "a", mask, image)
    return folder


def read(folder: Path, split="train", index=0):
    return open_data(str(folder)).split(split).read(index)


def with_colors(mask: np.ndarray, colors) -> np.ndarray:
    return np.array(colors, np.uint8)[mask]


def with_void(mask: np.ndarray, ignore_index: int) -> np.ndarray:
    """The mask with its first two rows void."""
    mask = mask.copy()
    mask[:2] = ignore_index
    return mask


# --- classes of masks ---


def test_ids_and_classes_json(tmp_path):
    declare(tmp_path, CLASSES, ignore_index=9)
    data = open_data(str(folder_of(tmp_path, with_void(QUARTERS, 9))))
    assert data.class_names == ("ground", "roof", "water")
    assert data.colors == COLORS
    assert (data.num_classes, data.channels, data.white_level) == (3, 3, 255)
    assert list(data.splits) == ["train", "val"]
    split = data.split("train")
    assert split.names == ["a.png"]
    assert split.sizes == [SIZE]
    image, mask = split.read(0)
    np.testing.assert_array_equal(image, image_of(QUARTERS))
    np.testing.assert_array_equal(mask, with_void(QUARTERS, 255))
    assert image.dtype == mask.dtype == np.uint8


def test_colors_may_be_missing(tmp_path):
    declare(tmp_path, [{"name": name} for name in "abc"])
    data = open_data(str(folder_of(tmp_path, QUARTERS)))
    assert data.class_names == ("a", "b", "c")
    assert len(set(data.colors)) == 3


def test_without_classes_json_the_ids_are_the_classes(tmp_path, capsys):
    data = open_data(str(folder_of(tmp_path, with_void(QUARTERS, 255))))
    assert data.class_names == ("class 0", "class 1", "class 2")
    _, mask = data.split("train").read(0)
    np.testing.assert_array_equal(mask, with_void(QUARTERS, 255))
    assert "3 classes" in capsys.readouterr().err


def test_classes_are_those_of_all_splits(tmp_path):
    save_pair(tmp_path / "train", "a", np.zeros(SIZE, np.uint8))
    save_pair(tmp_path / "val", "a", np.full(SIZE, 4, np.uint8))
    assert open_data(str(tmp_path)).num_classes == 5


def test_0_and_255_are_binary(tmp_path):
    binary = np.where(QUARTERS == 1, 255, 0).astype(np.uint8)
    data = open_data(str(folder_of(tmp_path, binary)))
    assert data.class_names == ("background", "foreground")
    np.testing.assert_array_equal(data.split("train").read(0)[1], QUARTERS == 1)


def test_bilevel_png_is_binary(tmp_path):
    folder_of(tmp_path, Image.fromarray(QUARTERS == 1))
    data = open_data(str(tmp_path))
    assert data.num_classes == 2
    np.testing.assert_array_equal(data.split("train").read(0)[1], QUARTERS == 1)


def test_palette_png_is_read_by_its_ids(tmp_path):
    mask = Image.fromarray(QUARTERS)
    mask.putpalette(np.arange(768)[::-1] % 256)
    assert mask.mode == "P"
    declare(tmp_path, CLASSES)
    np.testing.assert_array_equal(read(folder_of(tmp_path, mask))[1], QUARTERS)


def test_rgb_masks_are_read_by_the_colors(tmp_path):
    declare(tmp_path, CLASSES)
    folder_of(tmp_path, with_colors(QUARTERS, COLORS))
    np.testing.assert_array_equal(read(tmp_path)[1], QUARTERS)


@pytest.mark.parametrize("mode", ("RGBA", "RGB"))
def test_grey_masks_saved_as_colour_hold_ids(tmp_path, mode):
    folder_of(tmp_path, Image.fromarray(QUARTERS).convert(mode))
    np.testing.assert_array_equal(read(tmp_path)[1], QUARTERS)


@pytest.mark.parametrize("colored", (True, False))
def test_void_as_the_last_class(tmp_path, colored):
    declare(tmp_path, [*CLASSES, VOID], ignore_index=3)
    mask = with_void(QUARTERS, 3)
    colors = (*COLORS, VOID["color"])
    folder_of(tmp_path, with_colors(mask, colors) if colored else mask)
    data = open_data(str(tmp_path))
    assert data.class_names == ("ground", "roof", "water")
    assert data.colors == COLORS
    read_mask = data.split("train").read(0)[1]
    np.testing.assert_array_equal(read_mask, with_void(QUARTERS, 255))


def test_void_as_the_first_class_shifts_the_others(tmp_path):
    declare(tmp_path, [VOID, *CLASSES], ignore_index=0)
    folder_of(tmp_path, with_void(QUARTERS + 1, 0))
    data = open_data(str(tmp_path))
    assert data.class_names == ("ground", "roof", "water")
    assert data.colors == COLORS
    read_mask = data.split("train").read(0)[1]
    np.testing.assert_array_equal(read_mask, with_void(QUARTERS, 255))


# --- kinds of images ---


def test_grey_of_12_bits(tmp_path):
    values = np.linspace(0, 4095, QUARTERS.size).reshape(SIZE).astype(np.uint16)
    data = open_data(str(folder_of(tmp_path, QUARTERS, values)))
    assert (data.channels, data.white_level) == (1, 4095)
    assert data.info.white_level == 4095
    image, _ = data.split("train").read(0)
    assert image.shape == (*SIZE, 1)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image[..., 0], values * (255 / 4095), atol=0.51)


def test_grey_of_8_bits(tmp_path):
    grey = QUARTERS * 50
    data = open_data(str(folder_of(tmp_path, QUARTERS, grey)))
    assert (data.channels, data.white_level) == (1, 255)
    np.testing.assert_array_equal(data.split("train").read(0)[0][..., 0], grey)


def test_grey_images_are_converted_among_colour_images(tmp_path):
    save_pair(tmp_path / "train", "a", QUARTERS, QUARTERS * 50)
    save_pair(tmp_path / "val", "a", QUARTERS, image_of(QUARTERS))
    data = open_data(str(tmp_path))
    assert data.channels == 3
    expected = np.repeat(QUARTERS[..., None] * 50, 3, axis=2)
    np.testing.assert_array_equal(data.split("train").read(0)[0], expected)


def test_alpha_is_dropped(tmp_path):
    image = np.dstack([image_of(QUARTERS), QUARTERS])
    assert Image.fromarray(image).mode == "RGBA"
    folder_of(tmp_path, QUARTERS, image)
    np.testing.assert_array_equal(read(tmp_path)[0], image_of(QUARTERS))


def test_palette_image_is_read_in_its_colours(tmp_path):
    image = Image.fromarray(QUARTERS)
    image.putpalette(np.array(COLORS, np.uint8).ravel())
    folder_of(tmp_path, QUARTERS, image)
    np.testing.assert_array_equal(read(tmp_path)[0], with_colors(QUARTERS, COLORS))


# --- EXIF rotation, which converts an image as stored to upright ---

ROTATIONS = {
    1: lambda upright: upright,
    3: lambda upright: np.rot90(upright, 2),
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


def tagged(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def save_rotated(path: Path, upright: np.ndarray, orientation: int) -> None:
    stored = np.ascontiguousarray(ROTATIONS[orientation](upright))
    lossless = {"lossless": True} if path.suffix == ".webp" else {}
    save(path, stored, exif=tagged(orientation), **lossless)


def folder_of_rotated(folder: Path, suffix: str, orientation: int) -> Path:
    """Two rotated photos without masks, one for training, one for validation."""
    for split in ("train", "val"):
        path = folder / split / "images" / f"a{suffix}"
        save_rotated(path, image_of(QUARTERS), orientation)
    return folder


def assert_upright(folder: Path) -> None:
    split = open_data(str(folder)).split("train")
    assert split.sizes == [SIZE]
    image, mask = split.read(0)
    np.testing.assert_array_equal(mask, QUARTERS)
    # JPEG changes values slightly; those of different ids differ by 100.
    np.testing.assert_array_equal(np.round(image[..., 0] / 100), QUARTERS)


@pytest.mark.parametrize("suffix", (".jpg", ".png", ".webp", ".tif"))
@pytest.mark.parametrize("orientation", ROTATIONS)
def test_rotated_photo_with_upright_mask(tmp_path, suffix, orientation):
    folder_of_rotated(tmp_path, suffix, orientation)
    for split in ("train", "val"):
        save(tmp_path / split / "masks" / "a.png", QUARTERS)
    assert_upright(tmp_path)


@pytest.mark.parametrize("suffix", (".jpg", ".png", ".tif"))
@pytest.mark.parametrize("orientation", (5, 6, 7, 8))
def test_rotated_photo_with_mask_as_stored(tmp_path, suffix, orientation):
    """The mask is from a tool that ignores EXIF."""
    folder_of_rotated(tmp_path, suffix, orientation)
    stored = np.ascontiguousarray(ROTATIONS[orientation](QUARTERS))
    for split in ("train", "val"):
        save(tmp_path / split / "masks" / "a.png", stored)
    assert_upright(tmp_path)


@pytest.mark.parametrize("orientation", ROTATIONS)
def test_rotated_photo_with_rotated_mask(tmp_path, orientation):
    folder_of_rotated(tmp_path, ".jpg", orientation)
    for split in ("train", "val"):
        save_rotated(tmp_path / split / "masks" / "a.png", QUARTERS, orientation)
    assert_upright(tmp_path)


# --- splits ---


def folder_without_splits(folder: Path, count: int = 10) -> Path:
    for index in range(count):
        save_pair(folder, f"p{index}", QUARTERS)
    return folder


def names_by_split(folder: Path, seed: int) -> dict[str, list[str]]:
    splits = open_data(str(folder), seed).splits
    return {name: split.names for name, split in splits.items()}


def test_split_by_seed(tmp_path):
    folder_without_splits(tmp_path)
    first = names_by_split(tmp_path, seed=0)
    assert {name: len(names) for name, names in first.items()} == {"train": 8, "val": 2}
    assert sorted(first["train"] + first["val"]) == [f"p{i}.png" for i in range(10)]
    assert names_by_split(tmp_path, seed=0) == first
    others = [names_by_split(tmp_path, seed)["val"] for seed in range(1, 6)]
    assert any(names != first["val"] for names in others)


def test_train_without_val_is_split_and_test_is_kept(tmp_path):
    folder_without_splits(tmp_path / "train", 5)
    folder_without_splits(tmp_path / "test", 2)
    splits = names_by_split(tmp_path, seed=3)
    assert [len(splits[name]) for name in ("train", "val", "test")] == [4, 1, 2]
    assert not set(splits["train"]) & set(splits["val"])


def test_split_is_logged(tmp_path, capsys):
    open_data(str(folder_without_splits(tmp_path, 5)), seed=7)
    logged = capsys.readouterr().err
    assert "1 of 5 images" in logged and "--seed 7" in logged


def test_unknown_split_lists_the_known_ones(tmp_path):
    data = open_data(str(folder_of(tmp_path, QUARTERS)))
    with pytest.raises(InputError, match="'test'.*train, val"):
        data.split("test")


# --- errors ---


def error_message(folder: Path) -> str:
    """The one-line message for an invalid folder."""
    with pytest.raises(InputError) as caught:
        open_data(str(folder))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_missing_folder(tmp_path):
    assert str(tmp_path / "nowhere") in error_message(tmp_path / "nowhere")


def test_file_instead_of_a_folder(tmp_path):
    path = save(tmp_path / "a.png", QUARTERS)
    assert str(path) in error_message(path)


def test_empty_folder(tmp_path):
    message = error_message(tmp_path)
    assert str(tmp_path) in message
    assert "train/images/NAME.jpg" in message


def test_no_images_in_the_folder(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / "train" / kind).mkdir(parents=True)
    assert str(tmp_path) in error_message(tmp_path)


@pytest.mark.parametrize("missing, present", (("masks", "images"), ("images", "masks")))
def test_one_of_two_folders(tmp_path, missing, present):
    save(tmp_path / "train" / present / "a.png", QUARTERS)
    message = error_message(tmp_path)
    assert str(tmp_path / "train") in message
    assert repr(missing) in message


def test_one_image_cannot_be_split(tmp_path):
    assert str(tmp_path) in error_message(folder_without_splits(tmp_path, 1))


def test_image_without_mask(tmp_path):
    folder_of(tmp_path, QUARTERS)
    image = save(tmp_path / "val" / "images" / "b.png", QUARTERS)
    message = error_message(tmp_path)
    assert str(image) in message
    assert str(tmp_path / "val" / "masks" / "b.png") in message


def test_mask_of_another_size(tmp_path):
    folder_of(tmp_path, QUARTERS)
    mask = save(tmp_path / "val" / "masks" / "a.png", QUARTERS[:, 1:])
    message = error_message(tmp_path)
    assert str(mask) in message
    assert "16x23" in message and "16x24" in message


def test_id_outside_the_classes(tmp_path):
    declare(tmp_path, CLASSES)
    folder_of(tmp_path, QUARTERS)
    wrong = QUARTERS.copy()
    wrong[5, 7] = 3
    mask = save(tmp_path / "val" / "masks" / "a.png", wrong)
    message = error_message(tmp_path)
    assert str(mask) in message
    assert "id 3 at row 5, column 7" in message


def test_id_over_255(tmp_path):
    folder_of(tmp_path, QUARTERS)
    deep = QUARTERS.astype(np.uint16) * 200
    mask = save(tmp_path / "val" / "masks" / "a.png", deep)
    message = error_message(tmp_path)
    assert str(mask) in message
    assert "400" in message


@pytest.mark.parametrize("suffix", (".jpg", ".png"))
def test_truncated_image(tmp_path, suffix):
    folder_of(tmp_path, QUARTERS)
    noise = np.random.RandomState(0).randint(0, 256, (*SIZE, 3)).astype(np.uint8)
    image = save(tmp_path / "val" / "images" / f"b{suffix}", noise)
    save(tmp_path / "val" / "masks" / "b.png", QUARTERS)
    image.write_bytes(image.read_bytes()[:-200])
    message = error_message(tmp_path)
    assert str(image) in message
    assert "truncated" in message


def test_truncated_mask(tmp_path):
    folder_of(tmp_path, QUARTERS)
    noise = np.random.RandomState(0).randint(0, 3, SIZE).astype(np.uint8)
    mask = save(tmp_path / "val" / "masks" / "a.png", noise)
    mask.write_bytes(mask.read_bytes()[:-60])
    assert str(mask) in error_message(tmp_path)


@pytest.mark.parametrize("kind", ("images", "masks"))
@pytest.mark.parametrize("content", (b"", b"not an image"))
def test_file_that_is_not_an_image(tmp_path, kind, content):
    folder_of(tmp_path, QUARTERS)
    path = tmp_path / "train" / kind / "a.png"
    path.write_bytes(content)
    assert str(path) in error_message(tmp_path)


def test_rgb_mask_without_colors(tmp_path):
    folder_of(tmp_path, with_colors(QUARTERS, COLORS))
    message = error_message(tmp_path)
    assert str(tmp_path / "train" / "masks" / "a.png") in message
    assert "classes.json" in message


def test_rgb_mask_with_classes_json_without_colors(tmp_path):
    declare(tmp_path, [{"name": name} for name in "abc"])
    folder_of(tmp_path, with_colors(QUARTERS, COLORS))
    assert str(tmp_path / "train" / "masks" / "a.png") in error_message(tmp_path)


def test_lossless_content_keeps_ids_whatever_the_suffix(tmp_path):
    folder_of(tmp_path, QUARTERS)
    for split, suffix, kind in (("train", ".webp", "WEBP"), ("val", ".jpg", "PNG")):
        image = save(tmp_path / split / "images" / "c.png", QUARTERS)
        mask = image.parents[1] / "masks" / f"c{suffix}"
        Image.fromarray(QUARTERS).save(mask, format=kind, lossless=True)
    data = open_data(str(tmp_path))
    for split in ("train", "val"):
        index = data.split(split).names.index("c.png")
        np.testing.assert_array_equal(data.split(split).read(index)[1], QUARTERS)


def test_unknown_color(tmp_path):
    declare(tmp_path, CLASSES)
    mask = with_colors(QUARTERS, COLORS)
    mask[3, 4] = 1, 2, 3
    folder_of(tmp_path, mask)
    message = error_message(tmp_path)
    assert str(tmp_path / "train" / "masks" / "a.png") in message
    assert "[1, 2, 3] at row 3, column 4" in message


@pytest.mark.parametrize("suffix", (".jpg", ".JPEG", ".webp"))
def test_lossy_mask(tmp_path, suffix):
    folder_of(tmp_path, QUARTERS)
    save(tmp_path / "val" / "images" / "b.png", QUARTERS)
    mask = save(tmp_path / "val" / "masks" / f"b{suffix}", QUARTERS)
    message = error_message(tmp_path)
    assert str(mask) in message
    assert "PNG" in message


@pytest.mark.parametrize("kind", ("images", "masks"))
def test_duplicate_stems(tmp_path, kind):
    folder_of(tmp_path, QUARTERS)
    save(tmp_path / "train" / kind / "a.bmp", QUARTERS)
    message = error_message(tmp_path)
    assert str(tmp_path / "train" / kind) in message
    assert "2 files have the stem a" in message


@pytest.mark.parametrize(
    "text",
    (
        "",
        "{",
        "[]",
        "{}",
        '{"classes": null}',
        '{"classes": ["road", "car"]}',
        '{"classes": [{"title": "road"}, {"title": "car"}]}',
        '{"classes": [{"name": "road"}]}',
        '{"classes": [{"name": "a"}, {"name": "b"}], "ignore_index": 256}',
        '{"classes": [{"name": "a"}, {"name": "b"}], "ignore_index": "none"}',
        '{"classes": [{"name": "a", "color": [1, 2]}, {"name": "b"}]}',
        '{"classes": [{"name": "a", "color": [1, 2, 256]}, {"name": "b"}]}',
        '{"classes": [{"name": "a", "color": "red"}, {"name": "b"}]}',
        '{"classes": [{"name": "a", "color": 7}, {"name": "b"}]}',
    ),
)
def test_broken_classes_json(tmp_path, text):
    folder_of(tmp_path, QUARTERS)
    (tmp_path / "classes.json").write_text(text, encoding="utf-8")
    assert str(tmp_path / "classes.json") in error_message(tmp_path)


def test_example_in_the_message_for_classes_json_is_valid(tmp_path):
    folder_of(tmp_path, QUARTERS)
    (tmp_path / "classes.json").write_text("{", encoding="utf-8")
    example = error_message(tmp_path).partition("expected ")[2].replace(", ...", "")
    assert json.loads(example)["ignore_index"] == 255


def test_classes_json_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "classes.json"
    text = '{"classes": [{"name": "sky"}, {"name": "road"}], "task": "semantic"}'
    path.write_text(text, encoding="utf-8-sig")
    assert read_classes(path).names == ("sky", "road")
    assert declared_task(tmp_path) == "semantic"


def test_classes_json_that_is_not_utf8(tmp_path):
    folder_of(tmp_path, QUARTERS)
    (tmp_path / "classes.json").write_bytes(b"\xff\xfe\x00")
    assert str(tmp_path / "classes.json") in error_message(tmp_path)


def test_duplicate_class_names(tmp_path):
    declare(tmp_path, [*CLASSES, {"name": "roof"}])
    message = error_message(folder_of(tmp_path, QUARTERS))
    assert str(tmp_path / "classes.json") in message
    assert "same name" in message


def test_duplicate_class_colors(tmp_path):
    """RGB masks could not distinguish the two classes."""
    declare(tmp_path, [*CLASSES, {"name": "pond", "color": CLASSES[2]["color"]}])
    folder_of(tmp_path, with_colors(QUARTERS, COLORS))
    assert str(tmp_path / "classes.json") in error_message(tmp_path)


# --- a real data set ---


def test_camvid(shared):
    folder = shared / "data" / "camvid"
    if not folder.is_dir():
        pytest.skip("needs data/camvid in the shared folder")
    data = open_data(str(folder))
    assert data.num_classes == 11
    assert len(data.split("train").sizes) == 367
    assert len(data.split("val").sizes) == 101
    assert set(data.split("val").sizes) == {(360, 480)}
    assert (data.channels, data.white_level) == (3, 255)
    image, mask = data.split("val").read(0)
    assert image.shape == (360, 480, 3)
    assert set(np.unique(mask)) <= {*range(11), 255}


# --- palettes ---


def save_indexed(path: Path, ids: np.ndarray, colors) -> None:
    image = Image.fromarray(ids).convert("P")
    image.putpalette([value for color in colors for value in color])
    save(path, image)


def test_a_palette_in_another_order_than_the_classes_is_refused(tmp_path):
    declare(tmp_path, CLASSES)
    folder = folder_of(tmp_path, QUARTERS)
    mask = folder / "train" / "masks" / "a.png"
    save_indexed(mask, QUARTERS, COLORS)
    assert (read(folder).target == QUARTERS).all()
    order = np.array([0, 2, 1], np.uint8)
    save_indexed(mask, order[QUARTERS], [COLORS[i] for i in order])
    message = error_message(folder)
    assert "id 1 has the colour [10, 60, 250] in the palette, which is" in message
    assert "that of id 2 in classes.json" in message
    others = [(1, 1, 1), (2, 2, 2), (3, 3, 3)]  # which say nothing
    save_indexed(mask, QUARTERS, others)
    assert (read(folder).target == QUARTERS).all()


def test_a_palette_in_another_order_may_have_an_unlisted_colour(tmp_path):
    """Such as that of void."""
    declare(tmp_path, CLASSES)
    folder = folder_of(tmp_path, QUARTERS)
    order, colors = np.array([2, 0, 1], np.uint8), [COLORS[1], COLORS[2], (9, 9, 9)]
    save_indexed(folder / "train/masks/a.png", order[QUARTERS], colors)
    assert "which is that of id 1 in classes.json" in error_message(folder)
    save_indexed(
        folder / "train/masks/a.png", QUARTERS, [COLORS[1], (9, 9, 9), (8, 8, 8)]
    )
    assert (read(folder).target == QUARTERS).all()  # one may be by chance


def test_palettes_that_contradict_each_other_are_refused(tmp_path):
    folder = folder_of(tmp_path, QUARTERS)
    save_indexed(folder / "train" / "masks" / "a.png", QUARTERS, COLORS)
    order = np.array([2, 1, 0], np.uint8)
    mask = folder / "val" / "masks" / "a.png"
    save_indexed(mask, order[QUARTERS], [COLORS[i] for i in order])
    assert f"{mask}: id 0 has the colour [10, 60, 250]" in error_message(folder)
    save_indexed(mask, QUARTERS, COLORS)
    assert (read(folder, "val").target == QUARTERS).all()


# --- what is left out ---


def test_what_is_left_out_is_counted(tmp_path, capsys):
    folder = folder_of(tmp_path, QUARTERS)
    images = folder / "val" / "images"
    for name in ("n0.png", "n1.png"):
        save(images / "night" / name, QUARTERS)
    (images / "b.heic").touch()
    (images / "c.heic").touch()
    (images / "gone.png").symlink_to(tmp_path / "nothing.png")
    save_pair(folder / "valid", "a", QUARTERS)
    open_data(str(folder))
    said = capsys.readouterr().err
    assert f"{folder / 'valid'}: is not read; the splits are train, val, test" in said
    assert f"{images}: left out: 2 .heic files (b.heic, ...), " in said
    assert "1 links to missing files (gone.png), 1 folders (night)" in said


@pytest.mark.parametrize("suffix", [".jfif", ".avif", ".jp2", ".gif", ".ppm"])
def test_images_of_every_suffix_are_read(tmp_path, suffix):
    folder = folder_of(tmp_path, QUARTERS)
    image = folder / "train" / "images" / "a.png"
    kinds = {".jfif": "JPEG", ".jp2": "JPEG2000"}
    written = image.with_suffix(suffix)
    Image.open(image).save(written, format=kinds.get(suffix))
    image.unlink()
    assert read(folder).image.shape == (*SIZE, 3)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_composed_and_decomposed_names_are_a_pair(tmp_path, forms):
    folder = folder_of(tmp_path, QUARTERS)
    for kind, form in zip(("images", "masks"), forms, strict=True):
        name = unicodedata.normalize(form, "caf\u00e9.png")
        (folder / "train" / kind / "a.png").rename(folder / "train" / kind / name)
    assert (read(folder).target == QUARTERS).all()


def test_names_that_are_no_utf8(tmp_path):
    folder = folder_of(tmp_path, QUARTERS)
    for kind in ("images", "masks"):
        inside = os.fsencode(folder / "train" / kind)
        try:
            os.rename(inside + b"/a.png", inside + b"/caf\xe9.png")
        except OSError:
            pytest.skip("this file system wants UTF-8")
    data = open_data(str(folder))
    assert (data.split("train").read(0).target == QUARTERS).all()
    assert len(data.fingerprint) == 16


def test_an_image_of_several_pages_stops_training(tmp_path):
    folder = folder_of(tmp_path, QUARTERS)
    (folder / "train" / "images" / "a.png").unlink()
    pages = [Image.fromarray(image_of(QUARTERS)) for _ in range(3)]
    path = folder / "train" / "images" / "a.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert "a.tif: has 3 pages, but one image is read" in error_message(folder)


def test_a_class_named_void_without_its_id_is_doubted(tmp_path, caplog):
    """QUARTERS has ids 0 to 2; with `ignore_index` the third is no class."""
    folder_of(tmp_path, QUARTERS)
    declare(tmp_path, [*CLASSES[:2], VOID])
    assert open_data(str(tmp_path)).class_names == ("ground", "roof", "void")
    assert caplog.messages == [
        f"{tmp_path}/classes.json: the class 'void' is trained like any other; to "
        'leave its pixels out, add "ignore_index": 2'
    ]
    caplog.clear()
    declare(tmp_path, [*CLASSES[:2], VOID], ignore_index=2)
    assert open_data(str(tmp_path)).class_names == ("ground", "roof")
    assert not caplog.messages


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("validation", "images in 'validation' are not read; its name has to be "),
        ("Test", "rename .*Test to test, in small letters"),
    ],
)
def test_images_under_another_name_than_that_of_a_split_are_named(
    tmp_path, name, message
):
    save(tmp_path / name / "images" / "a.png", image_of(QUARTERS))
    save(tmp_path / name / "masks" / "a.png", QUARTERS)
    with pytest.raises(InputError, match=message):
        open_data(str(tmp_path))
