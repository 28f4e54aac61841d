import errno
import shutil
import subprocess
import sys

import pytest

from benchmarks import soak
from benchmarks.soak import SoakConfig, run_soak, table
from edge.core.errors import GateFailed
from tests.support.posix import needs_linux

needs_broker = pytest.mark.skipif(
    not (shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")),
    reason="no mosquitto: apt install mosquitto",
)
CHILD = """
import sys
for _ in sys.stdin:
    try:
        open(sys.argv[1], "wb", 0).write(b"1")
        print("ok", flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""
CHECK = {"name": "memory", "passed": False, "text": "10.0 MB, 90.0 MB at the end"}
FIGURES = {
    "frames": 300,
    "seconds": 20.4,
    "failures": {"broker": 2, "stream": 1},
    "disk": "tmpfs",
    "checks": [{"name": "no crash", "passed": True, "text": "status 0"}, CHECK],
}


def test_what_failed_is_named(monkeypatch, capsys):
    monkeypatch.setattr(soak, "run_soak", lambda _: FIGURES)
    with pytest.raises(GateFailed, match="^soak: failed: memory$"):
        soak.main([])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("300 frames in 20 s; failures: broker 2, stream 1;")
    assert lines[2].split()[:3] == ["memory", "FAILED", "10.0"]


@needs_linux
def test_a_mounted_disk_fills_up_and_is_freed(tmp_path):
    from benchmarks.soak_disk import MountedDisk

    try:
        disk = MountedDisk(tmp_path / "disk")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount")
    with disk:
        disk.fill()
        with pytest.raises(OSError) as failed:
            (disk.folder / "more").write_bytes(bytes(100_000))
        assert failed.value.errno == errno.ENOSPC
        disk.free()
        (disk.folder / "more").write_bytes(bytes(100_000))
    assert not any(disk.folder.iterdir())


@needs_linux
def test_a_process_whose_files_are_limited_cannot_write(tmp_path):
    from benchmarks.soak_disk import LimitedFiles

    file, pipe = str(tmp_path / "file"), subprocess.PIPE
    command = [sys.executable, "-c", CHILD, file]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:

        def outcome() -> str:
            child.stdin.write("\n")
            child.stdin.flush()
            return child.stdout.readline().strip()

        with LimitedFiles(tmp_path / "disk") as disk:
            disk.watch(child.pid)
            disk.fill()
            assert outcome() == str(errno.EFBIG)
            disk.free()
            assert outcome() == "ok"
        child.stdin.close()


def test_the_newest_files_of_events_remain(tmp_path):
    pytest.importorskip("resource")
    from benchmarks.soak_disk import KEPT, remove_old

    for number in range(KEPT + 5):
        (tmp_path / f"{number:03}.jpg").touch()
    (tmp_path / ".000.part.mp4").touch()  # is being written
    remove_old(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[:2] == [".000.part.mp4", "005.jpg"] and len(names) == KEPT + 1


@needs_linux
@needs_broker
@pytest.mark.slow
@pytest.mark.parametrize("mounted", [True, False])
def test_three_hundred_frames_survive_all_failures(mounted, monkeypatch):
    """Frames may be old: other tests run at the same time."""
    from benchmarks import soak_disk

    if not mounted:
        monkeypatch.setattr(soak_disk, "small_disk", soak_disk.LimitedFiles)
    figures = run_soak(SoakConfig(frames=300, minutes=0.25, max_age=60_000.0))
    assert all(check["passed"] for check in figures["checks"]), table(figures)
    assert min(figures["failures"].values()) > 0
