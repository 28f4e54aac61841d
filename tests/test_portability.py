"""The source runs on Linux, macOS and Windows, as far as reading it can tell."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path
    for folder in ("edge", "kseg", "benchmarks", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
PROGRAMS = [path for path in SOURCES if "tests" not in path.relative_to(ROOT).parts]
# Only edge/core/system.py chooses between operating systems, but for these.
CHOOSES = ROOT / "edge" / "core" / "system.py"
OTHERS = {
    "benchmarks/pytorch_step.py": {"import resource", "win32", "darwin"},
    "benchmarks/soak.py": {"/proc/"},  # which runs on Linux only
    "benchmarks/soak_camera.py": {"/proc/"},
    "benchmarks/soak_disk.py": {"import resource"},
    "kseg/data/formats/unread.py": {"darwin"},  # a labelling tool's format
}
OF_A_SYSTEM = re.compile(
    r"import (?:resource|fcntl|pwd|grp|termios|msvcrt|winreg)\b|win32|darwin|/proc/"
    r"|sched_getaffinity|os\.(?:fork|killpg|setsid|geteuid|getuid|mkfifo|name)\b"
    r"|signal\.SIG(?:KILL|ALRM|USR1|USR2|HUP|PIPE|CHLD)\b|start_new_session|preexec_fn"
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_system_can_have_the_files():
    """Names of devices and some characters are not for Windows; case counts nowhere."""
    folders = (ROOT / folder for folder in ("edge", "kseg", "tests", "docs", "docker"))
    names = [
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in folder.rglob("*")
    ]
    reserved = re.compile(
        r'(^|/)(aux|con|nul|prn|com\d|lpt\d)(\.|/|$)|[<>:"|?*\\]', re.I
    )
    assert [name for name in names if reserved.search(name)] == []
    assert len({name.lower() for name in names}) == len(names)


def text_calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls that read or write text files."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        method = isinstance(node.func, ast.Attribute)
        if name in ("read_text", "write_text") and method:
            yield node
        if name == "open":
            mode = mode_of(node, 0 if method else 1)
            keywords = {keyword.arg for keyword in node.keywords}
            # Other objects have a method `open` too: only modes tell files apart.
            if mode is not None and "b" not in mode or "newline" in keywords:
                yield node


def mode_of(call: ast.Call, place: int) -> str | None:
    """The mode that `open` is given; of the function, not a method, "r" without one."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    given = given or call.args[place : place + 1]
    if not given:
        return "r" if isinstance(call.func, ast.Name) else None
    value = getattr(given[0], "value", None)
    text = value if isinstance(value, str) else ""
    return text if re.fullmatch("[rwxabt+]+", text) else None


def without_encoding(source: str) -> list[int]:
    """The lines of calls that read or write text in the encoding of the machine."""
    return [
        call.lineno
        for call in text_calls(ast.parse(source))
        if "encoding" not in {keyword.arg for keyword in call.keywords}
    ]


def test_the_search_finds_what_it_should():
    bad = ["p.read_text()", "p.write_text(t)", "open(p)", "p.open('w')", "open(p, 'a')"]
    good = ["p.open('rb')", "write_text(p, t)", "Image.open(p)", "open(p, 'wb')"]
    good += ["p.read_text(encoding='utf-8')", "p.open('r', encoding='utf-8')"]
    assert without_encoding("\n".join([*bad, *good])) == list(range(1, len(bad) + 1))


def test_text_files_name_their_encoding():
    """Without one, Windows takes a code page: UTF-8 is then read wrongly."""
    lines = {
        name_of(path): without_encoding(path.read_text(encoding="utf-8"))
        for path in SOURCES
    }
    assert {name: found for name, found in lines.items() if found} == {}


def of_a_system(path: Path) -> set[str]:
    """What a program names of an operating system, outside comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    code = (line for line in lines if not line.lstrip().startswith("#"))
    return {name for line in code for name in OF_A_SYSTEM.findall(line)}


def test_one_module_knows_the_operating_system():
    found = {
        name_of(path): of_a_system(path) - OTHERS.get(name_of(path), set())
        for path in PROGRAMS
        if path != CHOOSES
    }
    assert {name: names for name, names in found.items() if names} == {}
