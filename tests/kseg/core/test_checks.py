"""Ranges of options that depend on more than one value's type."""

import pytest

from edge.core.errors import InputError
from kseg.core.checks import check_doctor, check_summary, check_train
from kseg.core.configs import DoctorConfig, SummaryConfig, TrainConfig


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"scale": 0.5}, "^--scale 0.5: must be 1 or more"),
        ({"color": 1.5}, "^--color 1.5: must be from 0 to 1"),
        ({"encoder_rate": 2.0}, "^--encoder-rate 2.0: must be from 0 to 1"),
        ({"learning_rate": 0.0}, "^--learning-rate 0: must be over 0"),
        ({"max_side": 1}, "^--max-side 1: must be at least 16"),
        ({"loss_share": 1e-30}, "^--loss-share 1e-30: must be at least 0.01"),
        ({"folds": 1}, "^--folds 1: must be at least 2"),
        ({"data": ""}, "^--data: is empty"),
        ({"border_weight": 1.0, "class_weights": "log"}, "^--border-weight and "),
        ({"border_weight": 1.0, "teacher": ("a",)}, "^--border-weight and --teacher"),
        ({"teacher": ("a",), "teacher_weight": 0.0}, "^--teacher-weight 0: must be"),
        (
            {"teacher": ("a",), "teacher_temperature": 0.0},
            "^--teacher-temperature 0: must be over 0",
        ),
    ],
)
def test_values_outside_their_range_are_one_line(options, reason):
    with pytest.raises(InputError, match=reason) as caught:
        check_train(TrainConfig(**options))
    assert "\n" not in str(caught.value)


def test_defaults_pass():
    check_train(TrainConfig())
    check_doctor(DoctorConfig("shapes"))
    check_summary(SummaryConfig("unet", width=4))


def test_the_augmentation_figure_needs_a_folder():
    with pytest.raises(InputError, match="^--show-augmentation: give a folder"):
        check_doctor(DoctorConfig("shapes", show_augmentation=True))


def test_a_trained_network_takes_no_options_of_its_parts():
    with pytest.raises(InputError, match="^--width: has no effect on RUN"):
        check_summary(SummaryConfig("RUN", width=4))
