"""The statistics of the camera loop: times of its stages, and numbers of objects."""

from __future__ import annotations

from typing import Any

from edge.app.loop import CameraLoop
from edge.app.measure import percentiles
from edge.core.timing import STAGES


def statistics(live: CameraLoop) -> dict[str, Any]:
    """The content of --stats; `fps` is of the whole loop, unused stages have 0 ms.

    Results that are objects have the key `objects`, their number in a frame, and
    `crossings`, if they are counted. With rules, `events` is how often each held.
    """
    engine = live.predictor.engine
    none = {stage: {"p50": 0.0, "p95": 0.0} for stage in STAGES}
    result = {
        "frames": live.rate.count,
        "dropped": live.dropped,
        "fps": round(live.rate.fps, 3),
        "engine": engine.name,
        "threads": engine.threads,
        "stage_millis": {**none, **live.predictor.stages.summary()},
    }
    if live.objects:
        result["objects"] = percentiles(live.objects)
    if live.watch and live.watch.engine.rules:
        counts = live.watch.engine.counts
        result["events"] = {r.name: counts[r.name] for r in live.watch.engine.rules}
    if live.counter:
        result["crossings"] = live.counter.counts(live.predictor.info)
    return result


def table(stats: dict[str, Any]) -> str:
    """The statistics as a table."""
    dropped = f", {stats['dropped']} dropped" if stats["dropped"] else ""
    rows = [f"{stats['frames']} frames{dropped}, {stats['fps']:.1f} frames per second"]
    rows.append(f"{'stage':<12} {'p50 ms':>8} {'p95 ms':>8}")
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
    return "\n".join(rows)
