import pytest

from kseg.callbacks import best_of, patience_ended


def history(*values: float) -> list[dict]:
    return [{"val_mean_iou": value} for value in values]


def test_the_best_of_nothing_is_below_all():
    assert best_of([]) < 0
    assert best_of(history(0.2, 0.5, 0.4)) == 0.5


@pytest.mark.parametrize(
    ("values", "patience", "ended"),
    [
        ((), 1, False),
        ((0.5,), 1, False),
        ((0.5, 0.4), 1, True),
        ((0.5, 0.5), 1, True),  # as good is not better
        ((0.5, 0.4, 0.6), 2, False),
        ((0.5, 0.4, 0.3), 2, True),
        ((0.5, 0.4, 0.3, 0.2), 0, False),  # 0 waits for ever
    ],
)
def test_patience_counts_epochs_without_a_better_one(values, patience, ended):
    assert patience_ended(history(*values), patience) == ended
