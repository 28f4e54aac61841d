"""A file of zones that is not there yet."""

import pytest

from edge.app.new_zones import zones_to_start
from edge.core.errors import InputError
from edge.zones.zone_file import ZoneFile, write_zone_file
from tests.edge.display.web.test_zone_store import RIGHT
from tests.support.posix import needs_posix


def test_with_the_page_a_file_may_be_missing(tmp_path, capsys):
    path = tmp_path / "zones.json"
    assert zones_to_start(path, "8080") == ZoneFile()
    assert not path.exists()
    assert "the first zone drawn creates it" in capsys.readouterr().err
    with pytest.raises(InputError, match="zones.json: cannot be read"):
        zones_to_start(path, None)
    assert zones_to_start(None, "8080") == ZoneFile()


@pytest.mark.parametrize("served", ["8080", None])
def test_a_file_that_is_there_is_read(tmp_path, served):
    path = tmp_path / "zones.json"
    write_zone_file(path, [RIGHT])
    assert zones_to_start(path, served).zones == (RIGHT,)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is not JSON"):
        zones_to_start(path, served)


@needs_posix
def test_a_file_that_cannot_be_created_is_refused_at_the_start(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        zones_to_start(tmp_path / "gone" / "zones.json", "8080")
