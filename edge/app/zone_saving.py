"""What saves the zones that are drawn in the browser view."""

from __future__ import annotations

import argparse
from typing import Any, Optional

from edge.app.event_options import rules_of
from edge.display.sinks import Controls
from edge.events.watch import Watch
from edge.model_file.info import ModelInfo
from edge.zones.zone_file import ZoneFile


def zone_store_of(
    arguments: argparse.Namespace,
    watch: Optional[Watch],
    info: ModelInfo,
    controls: Controls,
) -> Any:
    """The ZoneStore of the options; None if no zones are measured.

    Zones that the rules of the file cannot be used with are refused.
    """
    if not watch:
        return None
    # Here, because without --serve nothing needs it.
    from edge.display.web.zone_store import ZoneStore

    def check(file: ZoneFile) -> None:
        rules_of(arguments, file, info)

    return ZoneStore(watch, controls, info, arguments.zones, check)
