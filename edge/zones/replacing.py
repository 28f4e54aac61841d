"""Other zones for a Measurer, without a new start of the zones that stay."""

from __future__ import annotations

from edge.zones.measuring import Measurer
from edge.zones.zone_file import ZoneFile


def with_zones(old: Measurer, file: ZoneFile) -> Measurer:
    """A Measurer of the zones of a file, in place of an old one.

    Times of stay and crossings go on in the whole frame and in zones that have the same
    name and points as before; they start in the others. Averages start again. The old
    one may still be measuring a frame in another thread, and is not used after that.
    """
    new = Measurer(old.info, file.zones, file.smoothing_seconds, file.object_point)
    if new.point != old.point:  # other objects are in the zones
        return new
    for index, zone in enumerate(new.zones):
        if zone in old.zones:
            before = old.zones.index(zone)
            new._visits[index] = old._visits[before]
            new._seen[index] = old._seen[before]
    return new
