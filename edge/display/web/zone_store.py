"""The zones that the camera uses: read, replaced and saved by programs that ask."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from edge.core.errors import InputError, quoted
from edge.core.files import json_text
from edge.display.sinks import Controls
from edge.events.watch import Watch
from edge.zones.zone import Zone
from edge.zones.zone_file import (
    MOST_ZONES,
    ZoneFile,
    check_keys,
    read_zone_file,
    unique_names,
    write_zone_file,
    zone_of,
)

PLACE = "zones"  # in messages about zones that are to be saved
EXAMPLE = 'send {"zones": {"door": [[0, 0], [0.5, 0], [0.5, 1]]}}'


class Outdated(Exception):
    """The zones were changed since the version that a change is meant for."""


class NotSaved(Exception):
    """The file of zones cannot be read or written; the message says why."""


class ZoneStore:
    """The zones of a Watch, and the file that they are saved to.

    Without `path` zones cannot be saved. `check` raises InputError for zones with which
    the rules of the file cannot be used.
    """

    def __init__(
        self,
        watch: Watch,
        controls: Controls,
        path: Optional[Path] = None,
        check: Callable[[ZoneFile], Any] = lambda file: None,
    ):
        self.watch, self.controls = watch, controls
        self.path, self.check = path, check
        self.version = version_of(watch.zones)
        self._saving = threading.Lock()

    def save(self, zones: Sequence[Zone], version: Optional[str] = None) -> None:
        """Save zones, and use them from the next frame on; rules stay as they are.

        See Measurer.with_zones for what is measured over a time. Raises Outdated if the
        zones are not those of `version`, InputError if the rules do not fit, and
        NotSaved; then nothing changes.
        """
        with self._saving:
            if version and version != self.version:
                raise Outdated
            new = replace(self._read(), zones=tuple(zones))
            self.check(new)
            self._write(new)
            self.watch.measurer = self.watch.measurer.with_zones(
                new.zones, new.smoothing_seconds, new.object_point
            )
            self.controls.change_view(lambda view: replace(view, zones=new.zones))
            self.version = version_of(new.zones)

    def _read(self) -> ZoneFile:
        assert self.path
        try:
            return read_zone_file(self.path) if self.path.exists() else ZoneFile()
        except (InputError, OSError) as error:
            raise NotSaved(str(error)) from None

    def _write(self, new: ZoneFile) -> None:
        assert self.path
        try:
            write_zone_file(self.path, new.zones)
        except (InputError, OSError) as error:
            raise NotSaved(str(error)) from None

    def to_json(self) -> Dict[str, Any]:
        """Zone -> list of points, of all zones but the whole frame."""
        return points_of(self.watch.zones)


def points_of(zones: Sequence[Zone]) -> Dict[str, List[List[float]]]:
    """Zone -> list of points [x, y]."""
    return {zone.name: [list(point) for point in zone.points] for zone in zones}


def version_of(zones: Sequence[Zone]) -> str:
    """A short text that is another one for other zones."""
    text = json_text(points_of(zones))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_zones(body: bytes) -> Tuple[Zone, ...]:
    """JSON {"zones": {name: points}} -> zones. Raises InputError for a mistake."""
    try:
        content = json.loads(
            body.decode("utf-8"), object_pairs_hook=unique_names(PLACE)
        )
    except (ValueError, RecursionError):  # ValueError: not UTF-8, or not JSON
        raise InputError(f"{PLACE}: the request is not JSON; {EXAMPLE}") from None
    zones = content.get("zones") if isinstance(content, dict) else None
    if not isinstance(zones, dict) or len(zones) > MOST_ZONES:
        raise InputError(
            f"{PLACE}: the request is {quoted(content)}; {EXAMPLE}, of at most "
            f"{MOST_ZONES} zones"
        )
    check_keys(content, ("zones",), PLACE)
    return tuple(zone_of(name, points, PLACE) for name, points in zones.items())
