"""A training's time, and its epochs."""

import pytest

from edge.core.errors import InputError
from kseg.cli.parser import parse_given
from kseg.core.checks import check_train
from kseg.core.configs import TrainConfig
from kseg.core.time_options import MOST_EPOCHS, limited_by_time


def epochs_of(*argv: str) -> int:
    config, given = parse_given(TrainConfig, "kseg train", "", argv)
    return limited_by_time(config, given).epochs


def test_the_time_alone_or_what_ends_first():
    assert epochs_of() == 30
    assert epochs_of("--hours", "0.2") == MOST_EPOCHS
    assert epochs_of("--hours", "0.2", "--epochs", "30") == 30


@pytest.mark.parametrize("hours", ["-1", "nan", "inf", "two", "10001"])
def test_a_time_is_a_number(hours):
    with pytest.raises(InputError, match="--hours: "):
        parse_given(TrainConfig, "kseg train", "", [f"--hours={hours}"])


def test_no_time_is_refused():
    with pytest.raises(InputError, match="--hours 0: must be over 0"):
        check_train(TrainConfig(hours=0.0))
