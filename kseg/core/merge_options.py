"""The option of `kseg prepare` that adds to a data folder."""

from __future__ import annotations

from dataclasses import dataclass

from kseg.core.options import Use, option

NEW_FOLDER = Use(lambda config: not config.merge, "with --merge")


@dataclass(frozen=True, kw_only=True)
class MergeOptions:
    """A data folder in place of a new one."""

    title = "Options"

    merge: str = option(
        "",
        "add the new images of SRC to this data folder, in place of DIR",
        basic=True,
        metavar="DATA",
    )
