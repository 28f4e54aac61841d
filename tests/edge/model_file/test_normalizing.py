"""The values of --normalize."""

import pytest

from edge.core.errors import InputError
from edge.model_file.normalizing import NAMED, described, normalization_of

IMAGENET = "0.485,0.456,0.406,0.229,0.224,0.225"


@pytest.mark.parametrize(
    ("text", "white"),
    [
        ("0..1", 1),
        ("-1..1", 1),
        ("-1,1", 1),
        ("0..255", 255),
        ("raw", 255),
        ("-2..6", 6),
        ("127.5,127.5", 1),
        ("0.5,0.5", 1),
        ("0,255", 1),
        ("1/255", 1),
        ("[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]", 1),
        ("123.675;116.28;103.53;58.395;57.12;57.375", (255 - 123.675) / 58.395),
        (IMAGENET, (1 - 0.485) / 0.229),
        ("ImageNet", (1 - 0.485) / 0.229),
    ],
)
def test_what_white_becomes(text, white):
    means, deviations = normalization_of(text)
    assert (255 - means[0]) / deviations[0] == pytest.approx(white)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,1", "from 0 to 1 or from 0 to 255"),
        ("1,2,3", "has 3 numbers"),
        ("127.5,0", "not over 0"),
        ("nan,1", "not over 0, or no number"),
        ("103.9,116.8,123.7,0.017,0.017,0.017", "give 1 / 0.017"),
        ("0,0.00392157", "of a scale such as 0.0039 give 1 / 0.0039"),
        ("1..0", "not a range"),
        ("1..2..3", "neither a known name nor numbers"),
        ("caffe2", "neither a known name nor numbers"),
        ("", "has 0 numbers"),
    ],
)
def test_other_values_are_refused(text, message):
    with pytest.raises(InputError) as error:
        normalization_of(text)
    assert message in str(error.value) and "127.5,127.5" in str(error.value)


@pytest.mark.parametrize("name", NAMED)
def test_names_are_described_by_their_names(name):
    assert described(normalization_of(name)) == name


def test_numbers_of_imagenet_are_described_by_its_name():
    assert described(normalization_of(IMAGENET)) == "imagenet"
