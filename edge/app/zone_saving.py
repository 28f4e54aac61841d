"""What saves the zones that are drawn in the browser view."""

from __future__ import annotations

import argparse
from typing import Any, Optional

from edge.app.event_options import rules_of
from edge.core.errors import InputError
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
        try:
            rules_of(arguments, file, info)
        except InputError as error:
            raise InputError(
                f"zones: a rule cannot be used with them ({error}); change it first"
            ) from None

    # A file of several sources is not saved: the others would not get its zones.
    own = not getattr(arguments, "zones_shared", False)
    return ZoneStore(watch, controls, arguments.zones if own else None, check)
