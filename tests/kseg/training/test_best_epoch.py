import pytest

from kseg.training.best_epoch import best_value, patience_exhausted

HEADLINE = "box_ap"


def history(*values: float | None) -> list[dict]:
    return [{"val_mean_iou": 0.0, f"val_{HEADLINE}": value} for value in values]


def test_the_best_value_of_no_epochs_is_below_all_values():
    assert best_value([], HEADLINE) < 0
    assert best_value(history(0.2, 0.5, 0.4), HEADLINE) == 0.5


def test_values_that_are_not_finite_are_never_the_best():
    """Histories of older versions may contain them; a missing value is None or nan."""
    values = (float("nan"), 0.2, float("inf"), None, 0.1)
    assert best_value(history(*values), HEADLINE) == 0.2
    assert best_value(history(float("nan"), None), HEADLINE) < 0


@pytest.mark.parametrize(
    ("values", "patience", "ended"),
    [
        ((), 1, False),
        ((0.5,), 1, False),
        ((0.5, 0.4), 1, True),
        ((0.5, 0.5), 1, True),  # equal is not better
        ((0.5, 0.4, 0.6), 2, False),
        ((0.5, 0.4, 0.3), 2, True),
        ((0.5, 0.4, 0.3, 0.2), 0, False),  # 0 disables it
        ((0.5, None, None, 0.4), 2, False),  # only one of the others was validated
        ((0.5, None, None, 0.4, None, 0.3), 2, True),
    ],
)
def test_patience_counts_epochs_without_a_better_value(values, patience, ended):
    assert patience_exhausted(history(*values), patience, HEADLINE) == ended
