"""The statistics of the camera loop: times of its stages, and numbers of objects."""

from __future__ import annotations

from typing import Any

from edge.app.feed import Feed
from edge.app.loop import CameraLoop
from edge.app.measure import percentiles
from edge.core.timing import STAGES


def statistics(live: CameraLoop) -> dict[str, Any]:
    """The content of --stats; `fps` is of the whole loop, unused stages have 0 ms.

    Results that are objects have the key `objects`, their number in a frame, and
    `crossings`, if they are counted. With rules, `events` is how often each held.
    Several sources have these under their names in `sources`, with their own `frames`,
    `dropped` and `fps`, and `age`, the seconds since the last frame.
    """
    engine = live.feeds[0].predictor.engine
    result = {
        "frames": live.rate.count,
        "dropped": live.dropped,
        "fps": round(live.rate.fps, 3),
        "engine": engine.name,
        "threads": engine.threads,
    }
    if len(live.feeds) == 1:
        return {**result, **of_feed(live.feeds[0])}
    sources = {}
    for feed in live.feeds:
        age = None if feed.age is None else round(feed.age, 3)
        sources[feed.name] = {
            "frames": feed.rate.count,
            "dropped": feed.dropped,
            "fps": round(feed.rate.fps, 3),
            "age": age,
            **of_feed(feed),
        }
    return {**result, "sources": sources}


def of_feed(feed: Feed) -> dict[str, Any]:
    """The times of the stages of a source, and what was counted."""
    none = {stage: {"p50": 0.0, "p95": 0.0} for stage in STAGES}
    result: dict[str, Any] = {
        "stage_millis": {**none, **feed.predictor.stages.summary()}
    }
    if feed.objects:
        result["objects"] = percentiles(feed.objects)
    if feed.watch and feed.watch.engine.rules:
        counts = feed.watch.engine.counts
        result["events"] = {r.name: counts[r.name] for r in feed.watch.engine.rules}
    if feed.counter:
        result["crossings"] = feed.counter.counts(feed.predictor.info)
    return result


def table(stats: dict[str, Any]) -> str:
    """The statistics as a table, with a part for each source if there are several."""
    parts = [speed_text(stats)]
    if "sources" not in stats:
        return "\n".join([*parts, *feed_rows(stats)])
    for name, found in stats["sources"].items():
        age = "" if found["age"] is None else f", the last {found['age']:.1f} s ago"
        parts += ["", f"source {name}: {speed_text(found)}{age}", *feed_rows(found)]
    return "\n".join(parts)


def speed_text(stats: dict[str, Any]) -> str:
    """Frames, and frames per second."""
    dropped = f", {stats['dropped']} dropped" if stats["dropped"] else ""
    return f"{stats['frames']} frames{dropped}, {stats['fps']:.1f} frames per second"


def feed_rows(stats: dict[str, Any]) -> list[str]:
    """The rows of what `of_feed` gives."""
    rows = [f"{'stage':<12} {'p50 ms':>8} {'p95 ms':>8}"]
    for stage, times in stats["stage_millis"].items():
        rows.append(f"{stage:<12} {times['p50']:8.1f} {times['p95']:8.1f}")
    if "objects" in stats:
        found = stats["objects"]
        rows.append(f"{'objects':<12} {found['p50']:8.1f} {found['p95']:8.1f} a frame")
    for name, counts in stats.get("crossings", {}).items():
        numbers = ", ".join(f"{number} {way}" for way, number in counts.items())
        rows.append(f"{name} crossed: {numbers}")
    for name, number in stats.get("events", {}).items():
        rows.append(f"event {name}: {number} time{'s' * (number != 1)}")
    return rows
