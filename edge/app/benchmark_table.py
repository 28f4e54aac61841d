"""Formatting the benchmark's report as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge.app.measure import Figures
from edge.core.timing import STAGES


def aligned(rows: list[list[str]]) -> str:
    """Align columns: the first to the left, the others to the right.

    >>> print(aligned([["engine", "ms"], ["litert", "12.5"]]))
    engine    ms
    litert  12.5
    """
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths))
        )
        for row in rows
    )


def format_percentiles(times: Figures) -> str:
    return f"{times['p50']:.1f} / {times['p95']:.1f}"


def engine_label(result: Figures) -> str:
    accelerator = f" {result['accelerator']}" if result["accelerator"] else ""
    return f"{result['engine']}{accelerator}, {result['threads']} threads"


def table(report: dict[str, Any]) -> str:
    """The report as tables."""
    return "\n\n".join(
        [heading(report), speeds(report), stages(report), *remarks(report)]
    )


def heading(report: dict[str, Any]) -> str:
    model, source = report["model"], Path(report["source"]).name
    packages = ", ".join(f"{k} {v}" for k, v in report["versions"].items())
    drawn = "not drawn" if report["headless"] else "drawn"
    return "\n".join(
        [
            f"{report['board']}, {report['processors']} processors, load "
            f"{report['load']}; {packages}",
            f"{model['file']} ({model['sha256'][:12]}), input {model['input']}; "
            f"{report['rounds']} rounds of {report['frames']} frames of "
            f"{source}, {report['frame_size']}, {drawn}",
        ]
    )


def speeds(report: dict[str, Any]) -> str:
    """Frames per second and processor time of the network alone and of the loop."""
    head = "per second|network|loop|ratio|processor ms|network|loop|other|decoding"
    rows = [["", *head.split("|")]]
    for result in report["engines"]:
        alone, loop = result["network"], result["loop"]
        rows.append(
            [
                *(
                    engine_label(result),
                    "",
                    f"{alone['fps']:.1f}",
                    f"{loop['fps']:.1f}",
                ),
                *(f"{result['of_network']:.2f}", ""),
                *(f"{f['processor_millis']:.1f}" for f in (alone, loop)),
                f"{result['other_processor_millis']:.1f}",
                decoding(result),
            ]
        )
    return aligned(rows)


def decoding(result: Figures) -> str:
    """Processor time to read a frame, and its share of that of the loop."""
    if "decoding_millis" not in result:
        return "-"
    millis = result["decoding_millis"]
    return f"{millis:.1f} ({millis / result['loop']['processor_millis']:.0%})"


def stages(report: dict[str, Any]) -> str:
    """Times of the network alone and of each stage of the loop."""
    rows = [["p50 / p95 ms", "network", *STAGES]]
    for result in report["engines"]:
        times = result["loop"]["stage_millis"]
        shown = [format_percentiles(times[s]) if s in times else "-" for s in STAGES]
        alone = format_percentiles(result["network"]["millis"])
        rows.append([engine_label(result), alone, *shown])
    return aligned(rows)


def remarks(report: dict[str, Any]) -> list[str]:
    """One line per engine about the age of frames, if measured."""
    lines = []
    for result in report["engines"]:
        if "bound_millis" in result:
            loop = result["loop"]
            lines.append(
                f"{engine_label(result)}: frames shown are "
                f"{format_percentiles(loop['age_millis'])} ms old, "
                f"the bound, interval + 1.5 x (inference + draw), is "
                f"{result['bound_millis']:.1f} ms; the age grew by "
                f"{loop['age_growth_millis']:.1f} ms; {loop['dropped']:.0f} dropped"
            )
    return ["\n".join(lines)] if lines else []
