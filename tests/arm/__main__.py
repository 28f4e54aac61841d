"""Runs the camera loop as a Raspberry Pi 4 and 5 would, under emulation.

    make test-arm

A bare Debian for aarch64, the requirements of edge/ installed in it by its own pip, and
the loop on a few frames, for each processor and model. The labels are compared with
those of this machine. It shows whether code, wheels and labels are right there; it says
nothing about speed. What was set up is kept in the cache of the tests. Nothing is
mounted or registered, and no rights are needed.
"""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.arm.debian import Unavailable
from tests.arm.environment import InstallationFailed, environment
from tests.arm.loop import MODELS, Result, labels_here, run_on, write_frames
from tests.arm.systems import PROCESSORS, SYSTEMS, System


def main() -> int:
    """Prints a line for each run; status 1 if labels differ or a run fails."""
    results: list[Result] = []
    skipped = refused = 0
    with tempfile.TemporaryDirectory(prefix="kseg-arm-") as name:
        scratch = Path(name)
        frames = write_frames(scratch / "frames")
        expected = {
            (model, xnnpack): labels_here(model, xnnpack, frames, scratch / "here")
            for model in MODELS
            for xnnpack in {system.xnnpack for system in SYSTEMS}
        }
        for system in SYSTEMS:
            try:
                results += run_system(system, frames, expected, scratch)
            except Unavailable as reason:
                skipped += 1
                print(f"{system.name}: skipped: {reason}", flush=True)
            except InstallationFailed as reason:
                refused += 1
                print(f"FAIL  {system.name}, {system.requirements}: {reason}")
    failed = refused + sum(not result.passed for result in results)
    passed = sum(result.passed for result in results)
    if passed or failed:
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def run_system(
    system: System, frames: Path, expected: dict[tuple[str, bool], Path], scratch: Path
) -> list[Result]:
    """The results of a system, for each processor and model.

    Raises Unavailable if the system cannot be had on this machine.
    """
    python = environment(system)
    runs = [(processor, model) for processor in PROCESSORS for model in MODELS]

    def one(run) -> Result:
        processor, model = run
        folder = scratch / f"{system.suite}-{processor.qemu}-{Path(model).parent.name}"
        labels = expected[model, system.xnnpack]
        return run_on(system, processor, python, model, frames, labels, folder)

    results = []
    with ThreadPoolExecutor(2) as pool:  # a process each, most of it one thread
        for result in pool.map(one, runs):
            print(result, flush=True)
            results.append(result)
    return results


if __name__ == "__main__":
    sys.exit(main())
