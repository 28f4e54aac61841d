"""The cheapest assignment, on matrices worked out by hand."""

import numpy as np
from keras import ops

from kseg.training.losses.assignment import assign

# Of the six sums 1 + 2 + 2 is the least; taking 0 first would cost 4 + 0 + 2.
COSTS = np.float32([[4, 1, 3], [2, 0, 5], [3, 2, 2]])


def assigned(costs, valid):
    found = assign(ops.convert_to_tensor(costs), ops.convert_to_tensor(valid))
    return ops.convert_to_numpy(found).tolist()


def test_the_sum_of_three_is_least():
    assert assigned(COSTS[None], [[True, True, True]]) == [[1, 0, 2]]


def test_targets_that_are_none_get_no_query():
    # Without the middle target 2 + 2 is the least; query 0 has no target.
    both = np.stack([COSTS, COSTS])
    valid = [[True, False, True], [False, False, False]]
    assert assigned(both, valid) == [[-1, 0, 2], [-1, -1, -1]]


def test_more_targets_than_queries():
    assert assigned(COSTS[None, :1], [[True, True, True]]) == [[1]]


def test_costs_that_are_not_numbers_are_large():
    costs = np.where(COSTS == 1, np.nan, COSTS)
    # Without the 1: 4 + 0 + 2 and 3 + 0 + 3 are equal to 6, 2 + 2 + 3 is 7.
    (found,) = assigned(costs[None], [[True, True, True]])
    assert sum(costs[query, target] for query, target in enumerate(found)) == 6
