"""What README, docs, docstrings and comments name is there."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS
from kseg.cli.entry import VERBS
from tests.test_imports import FILES, MAY_IMPORT

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / "saved_models" / "README.md", ROOT / "tests" / "files" / "README.md"),
]
SOURCES = [
    path
    for folder in ("edge", "kseg", "benchmarks", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
# CHANGELOG names what was; NAME stands for any.
PATHS = re.compile(
    r"(?<![\w/.~-])(?:kseg|edge|tests|benchmarks|docs|\.ci)(?:/[\w.-]+)+"
)
MODULES = re.compile(r"(?<![\w/.@-])(?:kseg|edge|benchmarks)(?:\.[A-Za-z_]\w*)+")
COMMANDS = re.compile(r"python -m (kseg|benchmarks|kseg\.benchmark) ([a-z]+)")
LINKS = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
OF_FILES = {"kseg.json", "kseg.service", "kseg.env"}
MOST_STEPS = 12
WALKS = (
    "One labelled image, from its file to the loss",
    "One camera frame, from the lens to the screen",
)
STEP = re.compile(r"^(\d+)\. `([\w.]+)`, `([\w./]+)`: ", re.MULTILINE)


def missing_paths(text: str) -> set[str]:
    """Paths of the project that a text names and that are not there."""
    found = {path.rstrip(".") for path in PATHS.findall(text) if "NAME" not in path}
    return {path for path in found if not (ROOT / path).exists()}


def missing_modules(text: str) -> set[str]:
    """Dotted names that are neither a module nor a name in one."""
    found = set(MODULES.findall(text)) - OF_FILES - set(FILES)
    return {name for name in found if not is_in_a_module(name)}


def is_in_a_module(name: str) -> bool:
    module, _, rest = name.rpartition(".")
    while module and module not in FILES:
        module, _, last = module.rpartition(".")
        rest = f"{last}.{rest}"
    first = rest.partition(".")[0]
    return bool(module) and first in names_in(FILES[module])


def names_in(path: Path) -> set[str]:
    """What a file defines or imports at its top."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name for alias in node.names)
        else:
            stored = (n for n in ast.walk(node) if isinstance(n, ast.Name))
            names.update(n.id for n in stored if isinstance(n.ctx, ast.Store))
    return names


def functions_in(path: Path) -> set[str]:
    """Functions as `name`, methods as `Class.name`."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (n for n in node.body if isinstance(n, ast.FunctionDef))
            found.update(f"{node.name}.{method.name}" for method in methods)
    return found


def words_for_people(path: Path) -> str:
    """The docstrings and comments of a file."""
    source = path.read_text(encoding="utf-8")
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (n for n in ast.walk(ast.parse(source)) if isinstance(n, kinds))
    parts = [ast.get_docstring(node) or "" for node in nodes]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    parts += [t.string for t in tokens if t.type == tokenize.COMMENT]
    return "\n".join(parts)


def section(title: str) -> str:
    """What stands under a heading of docs/architecture.md."""
    _, found, rest = ARCHITECTURE.read_text(encoding="utf-8").partition(f"## {title}\n")
    assert found, f"no heading {title!r}"
    return rest.partition("\n## ")[0]


def rows(title: str) -> Iterator[list[str]]:
    """The cells of the rows of the tables in a section, less the heads."""
    for line in section(title).splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_how_this_test_reads_texts():
    text = "`kseg/nothing.py`, kseg/train.py. /opt/kseg/edge/x kseg/models/NAME.py"
    assert missing_paths(text) == {"kseg/nothing.py"}
    text = "kseg.nothing, kseg.training.fit.fit, kseg.json, edge.predict.base.gone"
    assert missing_modules(text) == {"kseg.nothing", "edge.predict.base.gone"}
    assert "Predictor.run" in functions_in(FILES["edge.predict.base"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_what_is_there(page):
    text = page.read_text(encoding="utf-8")
    links = {link for link in LINKS.findall(text) if "//" not in link}
    assert {link for link in links if not (page.parent / link).exists()} == set()
    if page.name == "CHANGELOG.md":  # names what was, too
        return
    assert missing_paths(text) == set()
    assert missing_modules(text) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_commands_that_start(page):
    known = {"kseg": VERBS, "benchmarks": BENCHMARKS, "kseg.benchmark": BENCHMARKS}
    commands = COMMANDS.findall(page.read_text(encoding="utf-8"))
    assert {c for c in commands if c[1] not in known[c[0]]} == set()


@pytest.mark.parametrize("folder", ("edge", "kseg", "benchmarks", "tests"))
def test_docstrings_and_comments_name_what_is_there(folder):
    found = {}
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] == folder:
            text = words_for_people(path)
            missing = missing_paths(text) | missing_modules(text)
            if missing:
                found[str(path.relative_to(ROOT))] = missing
    assert found == {}


@pytest.mark.parametrize("title", WALKS)
def test_the_steps_of_a_walk_exist(title):
    steps = STEP.findall(section(title))
    assert [int(number) for number, _, _ in steps] == list(range(1, len(steps) + 1))
    assert 8 <= len(steps) <= MOST_STEPS
    assert len(re.findall(r"^\d+\. ", section(title), re.MULTILINE)) == len(steps)
    assert len({name for _, name, _ in steps}) == len(steps)
    for _, name, file in steps:
        assert name in functions_in(ROOT / file), f"{file} has no {name}"


def test_the_table_of_floors_is_that_of_the_imports():
    named = {
        package.strip("`"): set(re.findall(r"`([\w.]+)`", allowed))
        for package, allowed in rows("The floors")
    }
    folders = {p: set(below) - {p} for p, below in MAY_IMPORT.items() if is_floor(p)}
    assert named == folders


def is_floor(module: str) -> bool:
    """Whether MAY_IMPORT's entry is a package's; `kseg.api` counts as one."""
    path = ROOT.joinpath(*module.split("."))
    return module == "kseg.api" or path.is_dir() and module not in ("kseg", "edge")


def test_the_table_of_tasks_names_every_dictionary():
    source = (ROOT / "tests" / "kseg" / "test_tasks.py").read_text(encoding="utf-8")
    (known,) = (
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "KNOWN"
    )
    cells = [row for row in rows("The contracts") if row[0].strip("`").isupper()]
    assert {row[0].strip("`") for row in cells} == {key.value for key in known.keys}
    for name, where, _ in cells:
        assert name.strip("`") in names_in(ROOT / where.strip("`"))


def test_the_contracts_are_where_the_table_says():
    for names, where, _ in rows("The contracts"):
        for name in re.findall(r"`(\w+)`", names):
            assert name in names_in(ROOT / where.strip("`"))


def test_the_tree_shows_every_package():
    tree = section("The tree")
    packages = (path.parent for path in ROOT.glob("[ekb]*/**/__init__.py"))
    assert {p.name for p in packages if f"{p.name}/" not in tree} == set()
    for line in tree.splitlines():
        assert len(line) <= 120
