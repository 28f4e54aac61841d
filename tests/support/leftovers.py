"""What tests leave in the project: nothing. They write into tmp_path."""

from pathlib import Path

FOLDERS = ("edge", "kseg", "benchmarks", "tests", "docs", "saved_models", "docker")


def entries(root: Path) -> set[str]:
    """Files and folders of the project, without hidden ones and what Python compiles.

    Of the folders in `root` only those of the project are looked into.
    """
    found = set(root.iterdir())
    for folder in FOLDERS:
        found.update((root / folder).rglob("*"))
    names = (path.relative_to(root) for path in found)
    return {name.as_posix() for name in names if not is_cache(name)}


def is_cache(name: Path) -> bool:
    """Whether a path is hidden or written by Python or its tools."""
    return any(
        part.startswith(".") or part == "__pycache__" or part.endswith(".egg-info")
        for part in name.parts
    )
