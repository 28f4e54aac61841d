"""Everything that differs between Linux, macOS and Windows.

Each function says what it does where a system lacks the feature. No other module asks
which system it runs on to choose between calls of the operating system.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Optional

LINUX = sys.platform.startswith("linux")
MACOS = sys.platform == "darwin"
WINDOWS = sys.platform == "win32"

FONTS_MAC = "Library/Fonts"  # in the user's folder
REPLACE_SECONDS = 2.0  # for which a replacement is tried again on Windows
NO_LOCK = -1  # instead of the number of an open file
FIRST_NTSTATUS_ERROR = 0xC0000000  # exit statuses of Windows from here up are crashes


def others_may_read(path: Path) -> bool:
    """Whether every user of this machine may read a file; False on Windows.

    There the bits of rights say nothing. Raises OSError.
    """
    return not WINDOWS and bool(path.stat().st_mode & stat.S_IROTH)


def usable_cores() -> int:
    """The number of processors that this process may use.

    macOS and Windows do not report which ones a process may use; the result is then the
    number of all processors.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def user_number() -> int:
    """The number of the user whose rights hold; 0 on Windows, which has none."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def address_bits() -> int:
    """The width of this Python's addresses: 32 for a 32-bit system on any kernel."""
    return 64 if sys.maxsize > 2**32 else 32


def processor_name() -> str:
    """The name of the processor, such as "AMD EPYC 7B13".

    Linux has it in /proc/cpuinfo, macOS in sysctl. Elsewhere, and on processors
    without a name there, it is what Python's platform module gives.
    """
    for line in read_lines("/proc/cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    named = output_of(["sysctl", "-n", "machdep.cpu.brand_string"]) if MACOS else ""
    return named or platform.processor() or platform.machine()


def processor_features() -> set[str]:
    """The extensions of the processor, such as "avx2"; empty on macOS and Windows.

    Linux lists them in /proc/cpuinfo as "flags", on Arm as "Features".
    """
    found = set()
    for line in read_lines("/proc/cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            found.update(value.split())
    return found


def board_name() -> str:
    """The model of a board, such as "Raspberry Pi 5 Model B", else `processor_name`.

    Only Linux has the device tree.
    """
    lines = read_lines("/proc/device-tree/model")
    return "".join(lines).strip("\0\n ") or processor_name()


def free_memory() -> Optional[int]:
    """Bytes that programs can use without swapping; None on macOS and Windows."""
    for line in read_lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    return None


def read_lines(path: str) -> list[str]:
    """The lines of a file that describes the system; [] if there is none."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.splitlines()


def output_of(command: list[str]) -> str:
    """What a program writes to stdout, without spaces around; "" if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip()


def font_folders() -> list[Path]:
    """The folders of the system's fonts and the user's; some may not exist."""
    home = Path(os.path.expanduser("~"))
    if WINDOWS:
        system = Path(os.environ.get("WINDIR", "C:/Windows"), "Fonts")
        return [system, home / "AppData/Local/Microsoft/Windows/Fonts"]
    if MACOS:
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / FONTS_MAC]
    data = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    folders = [Path(folder, "fonts") for folder in data.split(":") if folder]
    return [*folders, home / ".local/share/fonts", home / ".fonts"]


def room_for(path: Path) -> int:
    """The bytes by which a file can still grow, whether or not it is there already.

    It is the free space of the disk, or less where `ulimit -f` limits a file's size.
    Windows and macOS have no such limit, or do not keep to it: there it is the space.
    """
    free = shutil.disk_usage(path.parent).free
    if not LINUX:
        return free
    import resource

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit == resource.RLIM_INFINITY:
        return free
    return min(free, limit - (path.stat().st_size if path.exists() else 0))


def limit_process(seconds: float, memory: Optional[int] = None) -> None:
    """Ends this process after `seconds`, and refuses it more than `memory` bytes.

    If the system runs out of memory, Linux ends this process first. No core file is
    written. Windows has none of these limits: nothing happens. macOS may refuse the
    limit of memory and has no order in which processes are ended.

    `memory` bounds data and not addresses: drivers of GPUs reserve many more addresses
    than they use.
    """
    if WINDOWS:
        return
    import resource

    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")
    except OSError:
        pass
    limits = {resource.RLIMIT_CORE: 0}
    if memory:
        limits[resource.RLIMIT_DATA] = memory
    for kind, most in limits.items():
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):
            pass
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(seconds) + 1)


def crash_name(status: int) -> Optional[str]:
    """The signal or error that ended a process; None if it exited normally.

    On Windows there are no signals: a crash has an NTSTATUS as its exit status.

    >>> crash_name(-11), crash_name(2), crash_name(0xC0000005)
    ('SIGSEGV', None, '0xC0000005')
    """
    if status >= FIRST_NTSTATUS_ERROR:
        return f"0x{status:08X}"
    if status >= 0:
        return None
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def own_session() -> dict[str, Any]:
    """Options of `subprocess.Popen`: Ctrl-C in the terminal does not reach the child.

    On Windows that takes a process group of its own.
    """
    if WINDOWS:
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def handle_signals(
    handler: Callable[[int, Any], Any], *names: str
) -> dict[signal.Signals, Any]:
    """Sets a handler of signals, such as "SIGTERM"; returns the previous handlers.

    Signals that the system does not have are left out. Only the main thread may set
    handlers: called in another thread it does nothing.
    """
    before = {}
    for name in names:
        number = getattr(signal, name, None)
        if number is None:
            continue
        try:
            before[number] = signal.signal(number, handler)
        except ValueError:
            return {}
    return before


def restore_signals(before: dict[signal.Signals, Any]) -> None:
    """Restores the handlers that `handle_signals` returned."""
    for number, handler in before.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


def flush_c_streams() -> None:
    """Flushes the output buffers of C libraries."""
    library = ctypes.CDLL("ucrtbase" if WINDOWS else None)
    library.fflush(None)


def replace_file(new: Path, old: Path) -> None:
    """Renames the file `new` to `old`, which it replaces.

    Windows refuses that while a program, such as a virus scanner, has the old file
    open: there it is tried again for two seconds. Raises OSError after that.
    """
    deadline = time.monotonic() + REPLACE_SECONDS
    while True:
        try:
            new.replace(old)
            return
        except PermissionError:
            if not WINDOWS or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def lock_file(path: Path) -> int:
    """Create a file if needed, and lock it until the returned number is closed.

    The lock ends with this process too. Raises BlockingIOError if another process, or
    this one, has locked it. Windows does not let an open file be renamed: there, and on
    file systems without locks, nothing is locked, and the number may be NO_LOCK.
    """
    if WINDOWS:
        return NO_LOCK
    import fcntl

    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:  # of a network, perhaps
        pass
    return handle


def is_closed_pipe(error: OSError) -> bool:
    """Whether an error means that the reader of a pipe has closed it.

    Windows gives EINVAL, without a file name, instead of EPIPE.
    """
    if isinstance(error, BrokenPipeError):
        return True
    return WINDOWS and error.errno == errno.EINVAL and error.filename is None


def print_any_text() -> None:
    """Lets stdout and stderr print every character.

    Those that its encoding lacks, such as `×` in a Windows code page or undecodable
    bytes of a file name, are written as escapes.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
