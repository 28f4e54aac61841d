"""Who may import whom, read from the source: the import rules of docs/architecture.md.

Imports in functions count too; those under `TYPE_CHECKING` are only for type
checkers and do not.
"""

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONGEST_FILE = 400  # lines
MOST_PACKAGES = 8  # at the top of kseg
VERBS = (
    *(
        "train",
        "tune",
        "evaluate",
        "predict",
        "prelabel",
        "export",
        "check",
        "live",
        "report",
        "prepare",
    ),
    *("doctor", "summary", "info", "benchmark", "completion"),
)

# A module belongs to the longest prefix here, and may import of ours what is listed,
# prefixes too. The table runs from the top floor down.
EDGE = ("edge",)
BELOW_TRAINING = ("kseg.data", "kseg.models", "kseg.core", *EDGE)
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "benchmarks": ("kseg", "benchmarks", *EDGE),
    "benchmarks.mediapipe": ("benchmarks.mediapipe_runner", *EDGE),
    "benchmarks.mediapipe_runner": ("benchmarks.child_process", *EDGE),
    "benchmarks.mediapipe_child": (),
    "benchmarks.child_process": EDGE,
    "benchmarks.torchvision_child": (),
    **{f"kseg.{verb}": ("kseg.cli.entry",) for verb in VERBS},
    "kseg.__main__": ("kseg.cli.entry", "edge.core"),
    "kseg": ("kseg.core.names",),
    "kseg.inference": ("kseg.evaluation", "kseg.data", "kseg.core", *EDGE),
    "kseg.cli": (
        *("kseg.cli", "kseg.api", "kseg.reporting", "kseg.deploy", "kseg.training"),
        *("kseg.evaluation", *BELOW_TRAINING),
    ),
    "kseg.api": (
        *("kseg.reporting", "kseg.deploy", "kseg.training", "kseg.evaluation"),
        *BELOW_TRAINING,
    ),
    "kseg.reporting": (*("kseg.reporting", "kseg.evaluation", *BELOW_TRAINING),),
    "kseg.deploy": (
        *("kseg.deploy", "kseg.training", "kseg.evaluation", *BELOW_TRAINING),
    ),
    "kseg.training": ("kseg.training", "kseg.evaluation", *BELOW_TRAINING),
    "kseg.evaluation": ("kseg.evaluation", *BELOW_TRAINING),
    "kseg.data": ("kseg.data", "kseg.core", *EDGE),
    "kseg.models": ("kseg.models", "kseg.core", *EDGE),
    "kseg.core": ("kseg.core", *EDGE),
    "edge.camera_demo": ("edge.app", "edge.core"),
    "edge.benchmark": ("edge.app", "edge.core"),
    "edge.app": (
        *("edge.app", "edge.display", "edge.events", "edge.zones", "edge.video"),
        *("edge.predict", "edge.engines", "edge.model_file", "edge.core"),
    ),
    "edge.display": (
        *("edge.display", "edge.events", "edge.zones", "edge.video", "edge.predict"),
        *("edge.engines", "edge.model_file", "edge.core"),
    ),
    "edge.events": (
        *("edge.events", "edge.zones", "edge.video", "edge.predict"),
        *("edge.model_file", "edge.core"),
    ),
    "edge.zones": ("edge.zones", "edge.predict", "edge.model_file", "edge.core"),
    "edge.predict": ("edge.predict", "edge.engines", "edge.model_file", "edge.core"),
    "edge.engines": ("edge.engines", "edge.model_file", "edge.core"),
    "edge.model_file": ("edge.model_file", "edge.core"),
    "edge.video": ("edge.video", "edge.core"),
    "edge.core": ("edge.core",),
    "edge": (),
}

# Keras, NumPy and the standard library alone: they run on any backend.
PURE = (
    *("kseg.models.layers", "kseg.models.encoders", "kseg.models.semantic"),
    *("kseg.models.necks", "kseg.models.boxes", "kseg.models.detection"),
    *("kseg.training.losses", "kseg.training.optimizer"),
    *("kseg.evaluation.metrics.confusion", "kseg.evaluation.metrics.keras_metrics"),
)
PURE_MAY_IMPORT = (*PURE, "edge.core.constants")
FAST_PATHS = (  # they import TensorFlow inside functions
    *("kseg.models.layers.fused", "kseg.training.losses.replicas"),
    "kseg.training.losses.assignment",
)
ON_TENSORFLOW = (  # the rest imports TensorFlow lazily
    *("kseg.data.transforms", "kseg.data.loading"),
    *("kseg.deploy.conversion", "kseg.deploy.finetuning", "kseg.deploy.int8"),
    *("kseg.deploy.heads",),
)
LIGHT = (
    "kseg.core",
    "kseg.cli",
    "kseg.api",
    "kseg.inference",
    "kseg",
)  # no Keras at import: --help
HEAVY = {"keras", "tensorflow", "tf_keras", "torch", "jax", "matplotlib", "skimage"}


def module_of(path: Path) -> str:
    """kseg/models/saving.py -> kseg.models.saving; a package is its folder."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    module_of(path): path
    for package in ("edge", "kseg", "benchmarks")
    for path in sorted((ROOT / package).rglob("*.py"))
}


def within(module: str, prefixes: tuple[str, ...] | str) -> bool:
    """Whether a module is one of the prefixes, or in one of them."""
    prefixes = (prefixes,) if isinstance(prefixes, str) else prefixes
    return any(f"{module}.".startswith(f"{prefix}.") for prefix in prefixes)


def for_types_alone(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def statements(tree: ast.AST, lazy: bool) -> Iterator[ast.AST]:
    """All nodes, or with `lazy` False those that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if for_types_alone(node):
            yield from (child for part in node.orelse for child in ast.walk(part))
        elif lazy or not function:
            yield node
            yield from statements(node, lazy)


def imported(source: str, lazy: bool) -> set[str]:
    """The full names of the modules that a source imports.

    `from kseg import api` imports kseg.api; `from keras import ops` counts as keras,
    which is not ours to look into.
    """
    names = set()
    for node in statements(ast.parse(source), lazy):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import"
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {part for part in parts if part in FILES}
            names.update(modules if modules == parts else modules | {node.module})
    return names


@cache
def imports_of(module: str, lazy: bool = True) -> frozenset[str]:
    return frozenset(imported(FILES[module].read_text(encoding="utf-8"), lazy))


def found_in(
    modules: Iterable[str], look: Callable[[str], set[str]]
) -> dict[str, set[str]]:
    """What `look` finds in each module, without those in which it finds nothing."""
    return {module: names for module in modules if (names := look(module))}


def ours(names: Iterable[str]) -> set[str]:
    return {name for name in names if within(name, ("kseg", "edge", "benchmarks"))}


def roots(names: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def with_packages(names: set[str]) -> set[str]:
    """With the packages around each: their `__init__` runs before it.

    >>> sorted(with_packages({"a.b.c"}))
    ['a', 'a.b', 'a.b.c']
    """
    parts = [name.split(".") for name in names]
    return {".".join(p[:end]) for p in parts for end in range(1, len(p) + 1)}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others."""

    def reached(start: str) -> set[str]:
        found, waiting = set(), [start]
        while waiting:
            for name in graph.get(waiting.pop(), ()):
                if name not in found:
                    found.add(name)
                    waiting.append(name)
        return found

    reach = {module: reached(module) for module in graph}
    groups = {
        tuple(sorted(n for n in reach[m] if m in reach.get(n, ())))
        for m in graph
        if m in reach[m]
    }
    return sorted(map(list, groups))


@pytest.mark.parametrize(
    ("source", "lazy", "names"),
    [
        ("import a.b, c", False, {"a.b", "c"}),
        ("from a.b import c", False, {"a.b"}),
        ("from kseg import api", False, {"kseg.api"}),
        ("from kseg import api, __version__", False, {"kseg.api", "kseg"}),
        ("if True:\n    import a", False, {"a"}),
        ("if TYPE_CHECKING:\n    import a", True, set()),
        ("class C:\n    import a", False, {"a"}),
        ("def f():\n    import a", False, set()),
        ("class C:\n    def f(self):\n        import a", False, set()),
        ("def f():\n    import a", True, {"a"}),
    ],
)
def test_how_this_test_reads_imports(source, lazy, names):
    assert imported(source, lazy) == names


def test_how_this_test_finds_circles():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}}
    assert circles(graph) == [["b", "c"], ["d"]]


def test_there_is_something_to_read():
    known = {"edge.predict.semantic", "edge.camera_demo", "kseg.training.fit"}
    assert known <= set(FILES)


def test_a_module_imports_of_ours_what_its_floor_may():
    def beyond(module: str) -> set[str]:
        floor = max((p for p in MAY_IMPORT if within(module, p)), key=len)
        strangers = {n for n in ours(imports_of(module)) if n != floor}
        return {n for n in strangers if not within(n, MAY_IMPORT[floor])}

    assert found_in(FILES, beyond) == {}


def test_no_circle_between_modules():
    graph = {module: ours(imports_of(module)) for module in FILES}
    assert circles(graph) == []


def test_nothing_imports_a_command():
    """But what starts it: benchmarks alone take the parser and the tables of cli."""
    verbs = tuple(f"kseg.{verb}" for verb in VERBS)

    def commands(module: str) -> set[str]:
        names = ours(imports_of(module))
        if within(module, "benchmarks"):
            names -= {"kseg.cli.parser", "kseg.cli.tables"}
        started = within(module, ("kseg.cli", "kseg.__main__", *verbs))
        refused = verbs if started else (*verbs, "kseg.cli")
        return {name for name in names if within(name, refused)}

    assert found_in(FILES, commands) == {}


def test_edge_stands_alone_on_python_3_9():
    beyond = {"kseg", "benchmarks", "PIL", *HEAVY}

    def strangers(module: str) -> set[str]:
        # Pillow is optional there: for class names in scripts that OpenCV cannot write.
        later = {"PIL"} if module == "edge.display.text" else set()
        found = roots(imports_of(module)) & (beyond - later)
        return found | roots(imports_of(module, lazy=False)) & beyond

    modules = [m for m in FILES if within(m, "edge")]
    assert found_in(modules, strangers) == {}
    for module in modules:
        text = FILES[module].read_text(encoding="utf-8")
        ast.parse(text, filename=module, feature_version=(3, 9))


def test_networks_losses_and_metrics_know_keras_alone():
    known = {"keras", "numpy", *sys.stdlib_module_names}

    def strangers(module: str) -> set[str]:
        names = imports_of(module, lazy=False)
        found = roots(names - ours(names)) - known
        found |= {n for n in ours(names) if not within(n, PURE_MAY_IMPORT)}
        if module not in FAST_PATHS:
            found |= roots(imports_of(module)) & {"tensorflow"}
        return found - {"kseg.models"}

    assert found_in([m for m in FILES if within(m, PURE)], strangers) == {}


def test_the_rest_imports_tensorflow_lazily():
    def eager(module: str) -> set[str]:
        return roots(imports_of(module, lazy=False)) & {"tensorflow", "tf_keras"}

    rest = (m for m in FILES if within(m, "kseg") and not within(m, ON_TENSORFLOW))
    assert found_in(rest, eager) == {}


def test_commands_start_without_anything_heavy():
    """All that an import of them brings along, through others of ours too."""
    seen, waiting = set(), [m for m in FILES if within(m, LIGHT[:4])]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        names = imports_of(name, lazy=False)
        assert not roots(names) & HEAVY, f"{name} imports {roots(names) & HEAVY}"
        waiting += [n for n in with_packages(ours(names)) if n in FILES]


def test_the_top_of_kseg_is_packages_and_verbs():
    packages = [
        p.name for p in (ROOT / "kseg").iterdir() if (p / "__init__.py").is_file()
    ]
    assert len(packages) <= MOST_PACKAGES
    files = {path.stem for path in (ROOT / "kseg").glob("*.py")}
    assert files == {"__init__", "__main__", "api", "inference", *VERBS}


def test_no_file_is_too_long():
    lengths = {
        module: len(path.read_text(encoding="utf-8").splitlines())
        for module, path in FILES.items()
    }
    assert {m: lines for m, lines in lengths.items() if lines > LONGEST_FILE} == {}
