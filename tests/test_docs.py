"""What README, docs, docstrings and comments name exists; their commands parse."""

import ast
import io
import json
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import kseg
from benchmarks.__main__ import BENCHMARKS
from kseg.cli.entry import VERBS
from kseg.core.configs import TrainConfig
from tests.support.pages import (
    SHELL,
    anchors,
    blocks,
    commands,
    lines,
    parser_of,
)
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
COMMAND_PAGES = [page for page in PAGES if page.name != "CHANGELOG.md"]
# CHANGELOG names what was; NAME stands for any.
PATHS = re.compile(
    r"(?<![\w/.~-])(?:kseg|edge|tests|benchmarks|docs|\.ci)(?:/[\w.-]+)+"
)
MODULES = re.compile(r"(?<![\w/.@-])(?:kseg|edge|benchmarks)(?:\.[A-Za-z_]\w*)+")
COMMANDS = re.compile(r"(?<![-\w])(kseg benchmark|kseg|benchmarks) ([a-z]+)")
CODE = re.compile(r"```.*?```|`([^`\n]+)`", re.DOTALL)
LINKS = re.compile(r"\]\(([^)#:]*)(?:#([^)]*))?\)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
# Options of other programs, and those that every command has.
OTHER_OPTIONS = {
    *("--kill-on-bad-exit", "--full", "--logdir", "--remove-retained"),
    *("--help", "--help-all"),
}
README_LINES, README_WIDTH = 120, 120
OF_FILES = {"kseg.json", "kseg.service", "kseg.env", "benchmarks.md"}
MOST_STEPS = 12
WALKS = (
    "One labelled image, from its file to the loss",
    "One camera frame, from the camera to the screen",
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
    """Whether a dotted name is that of the API or is defined in a module."""
    if name.split(".")[0] == "kseg" and name.split(".")[1] in public_names():
        return True
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
    """The text under a heading of docs/architecture.md."""
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


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_page_names_what_is_there(page):
    text = page.read_text(encoding="utf-8")
    if page.name == "CHANGELOG.md":  # names what was, too
        return
    assert missing_paths(text) == set()
    assert missing_modules(text) == set()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_to_pages_and_their_headings(page):
    for link, anchor in LINKS.findall(page.read_text(encoding="utf-8")):
        target = page.parent / link if link else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), f"{link}#{anchor}"


def test_every_page_of_docs_is_in_the_index_and_in_the_site():
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert {page for page in pages if f"({page})" not in index} == set()
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    assert {page for entry in site["nav"] for page in entry.values()} == (
        pages | {"index.md"}
    )


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(text) <= README_LINES
    assert [line for line in text if len(line) > README_WIDTH] == []


# --- commands ---


@pytest.mark.parametrize("page", COMMAND_PAGES, ids=page_id)
def test_a_page_names_commands_that_start(page):
    known = {"kseg": VERBS, "benchmarks": BENCHMARKS, "kseg benchmark": BENCHMARKS}
    found = [
        command
        for code in CODE.findall(page.read_text(encoding="utf-8"))
        for command in COMMANDS.findall(code)
    ]
    unknown = {c for c in found if c[1] not in known[c[0]]}
    assert unknown - {(name, "benchmark") for name in known} == set()


@pytest.mark.parametrize("page", COMMAND_PAGES, ids=page_id)
def test_the_commands_of_a_page_have_options_that_exist(page, monkeypatch, tmp_path):
    targets = re.findall(
        r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M
    )
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    extras = extras["optional-dependencies"]
    monkeypatch.chdir(tmp_path)
    for block in blocks(page):
        for line in lines(block) if block.language in SHELL else ():
            for words in commands(line):
                if words[0] == "make":
                    assert words[1] in targets, line
                elif words[0] != "bash":
                    parser_of(words, monkeypatch)
    for extra in re.findall(r'"\.\[(\w+)\]"', page.read_text(encoding="utf-8")):
        assert extra in extras, extra


@pytest.fixture(scope="module")
def all_options() -> set[str]:
    """The options of all commands, the camera and the benchmark of devices."""
    words = [["kseg", verb] for verb in VERBS if verb != "benchmark"]
    words += [["kseg", "benchmark", name] for name in BENCHMARKS]
    words += [["python", f"edge/{name}.py"] for name in ("camera_demo", "benchmark")]
    needed = {"evaluate": ["M"], "predict": ["M", "I"], "report": ["R"]}
    needed |= {
        "prelabel": ["M", "D"],
        "prepare": ["S", "D"],
        "doctor": ["D"],
        "live": ["M"],
        "check": ["F"],
    }
    needed |= {"completion": ["bash"], "edge/camera_demo.py": ["M"]}
    needed |= {"edge/benchmark.py": ["M"], "mediapipe": ["M", "--python", "P"]}
    needed["mediapipe"] += ["--source", "V"]
    found = set(OTHER_OPTIONS)
    with pytest.MonkeyPatch.context() as patch:
        for each in words:
            parser = parser_of(each + needed.get(each[-1], []), patch)
            found |= set(parser._option_string_actions)
    return found


@pytest.mark.parametrize("page", COMMAND_PAGES, ids=page_id)
def test_options_in_a_text_exist(page, all_options):
    found = {
        option
        for code in CODE.findall(page.read_text(encoding="utf-8"))
        if not code.startswith(("pip ", "python3 ", "nvarguscamerasrc", "--signal"))
        for option in OPTION.findall(code)
    }
    assert found - all_options == set()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_blocks_that_are_not_commands_can_be_read(page):
    known = {**TrainConfig.__dataclass_fields__}
    for block in blocks(page):
        if block.language == "toml":
            options = tomllib.loads(block.text)
            assert {name for name in options if name not in known} == set()
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "python":
            tree = ast.parse(block.text)
            attributes = (n for n in ast.walk(tree) if isinstance(n, ast.Attribute))
            names = {n.attr for n in attributes if ast.unparse(n.value) == "kseg"}
            assert names - public_names() == set()
        else:
            assert block.language in (*SHELL, "text", "yaml", ""), block


def public_names() -> set[str]:
    """The names of the table in docs/python.md."""
    text = (
        (ROOT / "docs" / "python.md")
        .read_text(encoding="utf-8")
        .partition("## Names\n")[2]
    )
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_the_public_names_are_those_of_the_page():
    assert set(kseg.__all__) - {"__version__"} == public_names()


# --- what the source says ---


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


def test_the_table_of_import_rules_is_that_of_the_imports():
    named = {
        package.strip("`"): set(re.findall(r"`([\w.]+)`", allowed))
        for package, allowed in rows("Import rules")
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
