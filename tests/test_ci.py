"""Which commit .ci/run compares with, and what it runs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.posix import needs_posix

ROOT = Path(__file__).resolve().parents[1]
# Nothing of the repository that the tests run in, as under a git hook.
VARIABLES = {
    "PATH": os.environ.get("PATH", ""),
    **{f"GIT_{role}_NAME": "maintainer" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "m@example.org" for role in ("AUTHOR", "COMMITTER")},
}

pytestmark = [
    needs_posix,
    pytest.mark.skipif(
        not (shutil.which("git") and shutil.which("bash")), reason="no git or bash"
    ),
]


class Repository:
    """A repository whose commits have dates, and what `since` of .ci/run says in it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.git("init", "--quiet")
        self.git("symbolic-ref", "HEAD", "refs/heads/main")

    def git(self, *words: str, **variables: str) -> str:
        return self.run(["git", *words], **variables)

    def commit(self, name: str, date: str) -> None:
        dates = {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date}
        self.git("commit", "--quiet", "--allow-empty", "-m", name, **dates)

    def since(self) -> str:
        """The message of the commit that is compared with; "" for none."""
        commit = self.call("since").strip()
        return self.git("log", "-1", "--format=%s", commit).strip() if commit else ""

    def edge_changed(self) -> bool:
        """Whether .ci/run would run the loop as on boards."""
        text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
        (paths,) = re.findall(r"if changed (edge .*); then", text)
        return bool(self.call(f"if changed {paths}; then echo yes; fi"))

    def call(self, command: str) -> str:
        """What a command prints that uses functions of .ci/run."""
        text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
        functions = re.findall(r"^\w+\(\) \{\n.*?^\}\n", text, re.M | re.S)
        script = "".join(["set -euo pipefail\n", *functions, command])
        return self.run(["bash", "-c", script])

    def run(self, command: list[str], **variables: str) -> str:
        own = {**VARIABLES, "HOME": str(self.folder), **variables}
        done = subprocess.run(
            command, cwd=self.folder, env=own, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def repository(tmp_path) -> Repository:
    made = Repository(tmp_path)
    made.commit("first", "2026-01-01T00:00:00Z")
    return made


def test_the_first_commit_has_none_before(repository):
    assert repository.since() == ""


def test_where_all_is_new_it_is_the_commit_before(repository):
    repository.commit("second", "2026-01-01T01:00:00Z")
    repository.commit("third", "2026-01-01T02:00:00Z")
    assert repository.since() == "second"


def test_on_main_it_is_before_all_that_was_made_together(repository):
    repository.commit("second", "2026-01-01T01:00:00Z")
    for hour in range(4):
        repository.commit(f"new {hour}", f"2026-01-02T0{hour}:00:00Z")
    assert repository.since() == "second"


def test_on_a_branch_it_is_where_the_branch_left_main(repository):
    repository.commit("second", "2026-01-02T00:00:00Z")
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit("third", "2026-01-05T00:00:00Z")
    repository.commit("fourth", "2026-01-09T00:00:00Z")
    assert repository.since() == "second"


@pytest.mark.parametrize(
    ("path", "changed"),
    [("edge/core/log.py", True), ("edge/requirements.txt", True), ("kseg/a.py", False)],
)
def test_boards_are_emulated_if_their_code_changed(repository, path, changed):
    assert repository.edge_changed()  # nothing to compare with
    repository.commit("second", "2026-01-02T00:00:00Z")
    file = repository.folder / path
    file.parent.mkdir(parents=True)
    file.write_text("changed\n", encoding="utf-8")
    repository.git("add", path)
    repository.commit("third", "2026-01-04T00:00:00Z")
    assert repository.edge_changed() is changed
