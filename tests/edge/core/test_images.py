"""Images of every depth and channel count, complete and damaged."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from edge.core.images import (
    list_images,
    read_image,
    read_raw,
    to_uint8,
    white_level_of,
    with_channels,
    write_image,
)

ORANGE, BLUE = (200, 100, 50), (0, 0, 255)


def two_colors() -> np.ndarray:
    """(4, 6, 3): orange on the left, blue on the right."""
    image = np.zeros((4, 6, 3), np.uint8)
    image[:, :3], image[:, 3:] = ORANGE, BLUE
    return image


def noise(size: tuple[int, int] = (60, 80)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


def encoded(image: np.ndarray, kind: str, **options) -> bytes:
    """An image file written by Pillow."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def test_8_bit_rgb(tmp_path):
    Image.fromarray(two_colors()).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), two_colors())


def test_8_bit_grey(tmp_path):
    grey = np.array([[0, 7], [128, 255]], np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert read_raw(tmp_path / "a.png").tolist() == [[0, 7], [128, 255]]
    assert read_image(tmp_path / "a.png", 1).shape == (2, 2, 1)
    assert read_image(tmp_path / "a.png")[1, 0].tolist() == [128, 128, 128]


def test_16_bit_grey(tmp_path):
    grey = np.array([[0, 257], [4095, 65535]], np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    raw = read_raw(tmp_path / "a.png")
    assert raw.dtype == np.uint16
    assert raw.tolist() == grey.tolist()
    # 65535 is white: one step of a byte is 257. 4095 / 257 = 15.93
    assert read_image(tmp_path / "a.png", 1)[..., 0].tolist() == [[0, 1], [16, 255]]


def test_16_bit_grey_of_a_12_bit_camera(tmp_path):
    grey = np.array([[0, 1000], [2048, 4095]], np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", 1, white_level=4095.0)
    # 1000 * 255 / 4095 = 62.3, 2048 * 255 / 4095 = 127.5(3)
    assert image[..., 0].tolist() == [[0, 62], [128, 255]]


def test_16_bit_rgb(tmp_path):
    deep = np.full((2, 3, 3), (257, 514, 65535), np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), deep[..., ::-1])
    assert read_raw(tmp_path / "a.png")[0, 0].tolist() == [257, 514, 65535]
    assert read_image(tmp_path / "a.png")[0, 0].tolist() == [1, 2, 255]


@pytest.mark.parametrize("alpha", [0, 7, 255])
def test_alpha_is_dropped(tmp_path, alpha):
    rgba = np.dstack([two_colors(), np.full((4, 6), alpha, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), two_colors())


def test_a_palette_is_converted_to_colours(tmp_path):
    indexed = Image.new("P", (2, 2))
    indexed.putpalette([*ORANGE, *BLUE])
    indexed.putpixel((1, 0), 1)
    indexed.putpixel((0, 1), 1)
    indexed.save(tmp_path / "a.png")
    expected = np.array([[ORANGE, BLUE], [BLUE, ORANGE]], np.uint8)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


def test_colour_to_grey():
    # 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 = 29.1
    colors = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    assert with_channels(colors, 1)[..., 0].tolist() == [[76, 150, 29]]


# Displayed position of the file's upper left white quarter (EXIF 2.3, Orientation).
CORNERS = {
    1: ("upper", "left"),
    2: ("upper", "right"),
    3: ("lower", "right"),
    4: ("lower", "left"),
    5: ("upper", "left"),
    6: ("upper", "right"),
    7: ("lower", "right"),
    8: ("lower", "left"),
}


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif"])
@pytest.mark.parametrize("orientation", CORNERS)
def test_exif_rotation(tmp_path, orientation, suffix):
    image = np.zeros((40, 60, 3), np.uint8)
    image[:20, :30] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(tmp_path / f"a.{suffix}", exif=exif)
    upright = read_image(tmp_path / f"a.{suffix}")
    height, width = (40, 60) if orientation < 5 else (60, 40)
    assert upright.shape == (height, width, 3)
    middles = {
        ("upper" if y == 1 else "lower", "left" if x == 1 else "right"): (
            upright[y * height // 4, x * width // 4, 0] > 128
        )
        for y in (1, 3)
        for x in (1, 3)
    }
    assert [corner for corner, white in middles.items() if white] == [
        CORNERS[orientation]
    ]


FILES = {
    "baseline.jpg": encoded(noise(), "JPEG"),
    "progressive.jpg": encoded(noise(), "JPEG", progressive=True),
    # A comment with a complete JPEG in it, such as a thumbnail.
    "thumbnail.jpg": encoded(noise(), "JPEG", comment=encoded(noise((12, 16)), "JPEG")),
    "colour.png": encoded(noise(), "PNG"),
}


@pytest.mark.parametrize("name", FILES)
def test_complete_files_are_read(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    assert read_image(tmp_path / name).shape == (60, 80, 3)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.05, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_an_error_with_its_name(tmp_path, name, part):
    data = FILES[name]
    (tmp_path / name).write_bytes(data[: int(part * len(data))])
    with pytest.raises(InputError) as error:
        read_image(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "tail",
    [
        b"\0" * 10_000,
        b"a maker's notes",
        b"\xff\xd9",
        # Phones append a video to an image; it may contain any pair of bytes.
        b"film \xff\xda film",
    ],
    ids=["zeros", "text", "end of image", "start of scan"],
)
def test_a_complete_jpeg_with_trailing_data_is_read(tmp_path, tail):
    data = FILES["baseline.jpg"]
    (tmp_path / "whole.jpg").write_bytes(data)
    (tmp_path / "more.jpg").write_bytes(data + tail)
    np.testing.assert_array_equal(
        read_image(tmp_path / "more.jpg"), read_image(tmp_path / "whole.jpg")
    )


@pytest.mark.parametrize("data", [b"", b"no image", b"\xff\xd8", b"\x89PNG\r\n"])
def test_a_file_that_is_not_an_image_is_an_error_with_its_name(tmp_path, data):
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(InputError, match="a.jpg: "):
        read_image(tmp_path / "a.jpg")


def test_a_missing_file_and_a_folder_are_errors_with_their_name(tmp_path):
    with pytest.raises(InputError, match="gone.png: cannot be read"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path)


@pytest.mark.parametrize(
    ("value", "dtype", "white"),
    [
        (3, np.uint8, 255.0),
        (0, np.uint16, 255.0),
        (255, np.uint16, 255.0),
        (256, np.uint16, 1023.0),
        (1023, np.uint16, 1023.0),
        (1024, np.uint16, 4095.0),
        (4096, np.uint16, 16383.0),
        (16384, np.uint16, 65535.0),
        (65535, np.uint16, 65535.0),
        (0.5, np.float32, 1.0),
    ],
)
def test_the_white_level_is_of_the_smallest_depth(value, dtype, white):
    assert white_level_of(np.array([[0, value]], dtype)) == white


@pytest.mark.parametrize(
    ("values", "dtype", "white", "expected"),
    [
        ([0, 7, 255], np.uint8, 255.0, [0, 7, 255]),
        # 2047 * 255 / 4095 = 127.47, 2048 * 255 / 4095 = 127.53; above white is white
        ([0, 2047, 2048, 4095, 8000], np.uint16, 4095.0, [0, 127, 128, 255, 255]),
        # 255 / 65535 = 1 / 257: the first 1 begins at 128.5
        ([128, 129, 257, 65535], np.uint16, 65535.0, [0, 1, 1, 255]),
        ([-1.0, 0.0, 0.5, 1.0, 2.0], np.float32, 1.0, [0, 0, 128, 255, 255]),
        ([np.nan, np.inf], np.float32, 1.0, [0, 255]),
    ],
)
def test_any_depth_to_uint8(values, dtype, white, expected):
    result = to_uint8(np.array([values], dtype), white)
    assert result.dtype == np.uint8
    assert result.tolist() == [expected]


def test_list_images_is_sorted_and_ignores_hidden_files(tmp_path):
    for name in ("b.PNG", "a.jpg", ".c.jpg", "notes.txt", "d.part"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == ["a.jpg", "b.PNG"]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_write_image_leaves_no_other_files(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_image(path, two_colors())
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    np.testing.assert_array_equal(read_image(path), two_colors())


def test_write_image_of_grey(tmp_path):
    grey = np.array([[0, 255], [7, 128]], np.uint8)
    write_image(tmp_path / "a.png", grey)
    np.testing.assert_array_equal(read_raw(tmp_path / "a.png"), grey)


@pytest.mark.parametrize("name", ["no_folder/a.png", "a.unknown"])
def test_write_image_that_cannot_be_written(tmp_path, name):
    with pytest.raises(InputError, match="a.(png|unknown): "):
        write_image(tmp_path / name, two_colors())
    assert list(tmp_path.iterdir()) == []
