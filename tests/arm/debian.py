"""A bare Debian for aarch64 in a folder, and the emulator, from this machine's mirror.

APT downloads for another architecture into folders of its own, from the sources that
the machine is configured with. The packages are unpacked and not set up: no program of
theirs runs.
"""

import os
import shutil
import subprocess
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# What debootstrap calls minbase, and Python.
BARE = ("?essential", "?priority(required)", "apt", "ca-certificates")
BARE += ("python3", "python3-venv")
MERGED = ("bin", "lib", "sbin")  # symbolic links into usr/, which no package contains
EMULATORS = ("qemu-user-static", "qemu-user")  # before and since Debian 13
QEMU = ("qemu-aarch64-static", "qemu-aarch64")
SECONDS = 600


class Unavailable(Exception):
    """What this machine cannot get, with the reason."""


def unpack_debian(suite: str, root: Path, scratch: Path) -> None:
    """Unpack a bare Debian of `suite` for aarch64 into the folder `root`.

    Raises Unavailable if its packages cannot be downloaded.
    """
    apt = Apt(scratch, "arm64", f"deb {signed()}{mirror()} {suite} main\n")
    apt("update")
    apt("install", "--yes", "--download-only", *BARE)
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in sorted(apt.archives.glob("*.deb")):
        unpack(package, root)
    # The emulator takes each path from here first. Folders of data are the machine's.
    for entry in list(root.iterdir()):
        if entry.name not in (*MERGED, "usr", "etc"):
            entry.unlink() if entry.is_symlink() else shutil.rmtree(entry)


def find_emulator(folder: Path | None = None) -> Path | None:
    """The program qemu-aarch64 on the PATH or in `folder`; None if it is not there."""
    found = (shutil.which(name, path=folder and str(folder)) for name in QEMU)
    return next((Path(path) for path in found if path), None)


def unpack_emulator(folder: Path, scratch: Path) -> None:
    """Download and unpack the emulator. Raises Unavailable if that fails."""
    apt = Apt(scratch, output(["dpkg", "--print-architecture"]).strip())
    apt("update")
    for package in EMULATORS:
        try:
            apt("download", package)
        except Unavailable:
            continue
        for archive in scratch.glob("*.deb"):
            unpack(archive, folder)
        if find_emulator(folder / "usr" / "bin"):
            return
    raise Unavailable(f"none of the packages {', '.join(EMULATORS)} can be had")


def mirror() -> str:
    """The address of this machine's Debian mirror. Raises Unavailable without one."""
    command = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)"]
    for line in output([*command, "Identifier: Packages"]).splitlines():
        label, _, address = line.partition(" ")
        if label == "Debian":
            return address
    raise Unavailable("this machine has no Debian among its sources of APT")


def signed() -> str:
    """The option of a source that names Debian's keys, if they have a file."""
    return f"[signed-by={KEYRING}] " if KEYRING.is_file() else ""


class Apt:
    """apt-get with lists and archives in a folder, for one architecture.

    `sources` replace those of the machine; its other settings, such as a proxy, hold.
    """

    def __init__(self, folder: Path, architecture: str, sources: str = ""):
        self.folder, self.archives = folder, folder / "cache" / "archives"
        for name in ("lists/partial", "cache/archives/partial", "parts"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").write_text("", encoding="utf-8")
        (folder / "sources.list").write_text(sources, encoding="utf-8")
        settings = {
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",  # _apt may not write into this folder
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "true",
            "Dir::State::lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
        }
        if sources:
            settings["Dir::Etc::sourcelist"] = folder / "sources.list"
            settings["Dir::Etc::sourceparts"] = folder / "parts"
        self.options = [f"-o{name}={value}" for name, value in settings.items()]

    def __call__(self, *arguments: str) -> None:
        """Run a command of apt-get. Raises Unavailable with its first error."""
        output(["apt-get", "-q", *self.options, *arguments], cwd=self.folder)


def unpack(package: Path, folder: Path) -> None:
    """Unpack a .deb; links of `folder` to folders stay, so that bin/ is usr/bin/."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
    )
    command = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner"]
    done = subprocess.run([*command, "-C", str(folder)], stdin=archive.stdout)
    if archive.wait() or done.returncode:
        raise OSError(f"{package}: cannot be unpacked")


def output(command: list[str], **options) -> str:
    """What a program prints. Raises Unavailable if it is missing or fails."""
    variables = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    options = {"env": variables, "timeout": SECONDS, **options}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, **options
        )
    except FileNotFoundError:
        raise Unavailable(f"{command[0]} is not on this machine") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} took over {SECONDS} seconds") from None
    except subprocess.CalledProcessError as error:
        said = [x for x in error.stderr.splitlines() if x.startswith("E:")]
        raise Unavailable((said or [f"{command[0]} failed"])[0]) from None
    return done.stdout
