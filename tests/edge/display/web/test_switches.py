"""Changes of the view by a page."""

import pytest

from edge.display.draw import blurred
from edge.display.view import View, controls_of
from edge.display.web.switches import apply_switch
from tests.support.object_results import DETECTION, INSTANCE
from tests.support.viewer import INFO


def test_every_switch():
    view = View()
    assert apply_switch(view, {"hide": 1}, INFO).hidden == {1}
    assert apply_switch(View(hidden=frozenset({0, 1})), {"show": 1}, INFO).hidden == {0}
    assert apply_switch(view, {"hide": "all"}, INFO).hidden == {0, 1}
    assert (
        apply_switch(View(hidden=frozenset({1})), {"show": "all"}, INFO).hidden == set()
    )
    assert apply_switch(view, {"opacity": 0.25}, INFO).opacity == 0.25
    assert apply_switch(view, {"outlines": True}, INFO).outlines
    assert not apply_switch(view, {"legend": False}, INFO).legend
    behind = apply_switch(view, {"background": True}, INFO, blurred)
    assert behind.background is blurred
    assert apply_switch(behind, {"background": False}, INFO, blurred).background is None


@pytest.mark.parametrize(
    ("info", "names"),
    [
        (INFO, {"opacity", "outlines"}),
        (DETECTION, {"boxes"}),
        (INSTANCE, {"opacity", "masks", "boxes", "outlines"}),
    ],
)
def test_the_controls_of_each_task(info, names):
    assert set(controls_of(info)) == names
    for name in {"masks", "boxes", "outlines"}:
        if name in names:
            assert getattr(apply_switch(View(), {name: True}, info), name)
        else:
            with pytest.raises(ValueError, match=name):
                apply_switch(View(), {name: True}, info)
