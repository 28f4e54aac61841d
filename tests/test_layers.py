"""Who may import whom, read from the source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EDGE = sorted((ROOT / "edge").rglob("*.py"))
PURE = [
    *sorted((ROOT / "kseg" / "models").rglob("*.py")),
    ROOT / "kseg" / "losses.py",
    ROOT / "kseg" / "metrics.py",
    ROOT / "kseg" / "optimizer.py",
]
# What modules of PURE may say of kseg: each other, and the one fast path that
# imports TensorFlow lazily.
PURE_MODULES = ("kseg.models", "kseg.losses", "kseg.metrics", "kseg.tensorflow_ops")
# The modules of kseg that are about TensorFlow and are imported lazily by the rest.
ON_TENSORFLOW = ("kseg/data/ops.py", "kseg/data/pipeline.py", "kseg/quantize/")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


LAZY = [
    path
    for path in sorted((ROOT / "kseg").rglob("*.py"))
    if not name_of(path).startswith(ON_TENSORFLOW)
]


def module_of(path: Path) -> list[str]:
    """kseg/models/unet.py -> [kseg, models, unet]; a package is its folder."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def statements(tree: ast.AST, lazy: bool) -> Iterator[ast.AST]:
    """All nodes, or with `lazy` False those that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if lazy or not function:
            yield node
            yield from statements(node, lazy)


def imported(source: str, package: list[str], lazy: bool) -> set[str]:
    """The full names of the modules that a source imports.

    `from kseg import losses` imports kseg.losses; `from keras import ops` counts as
    keras, which is not ours to look into.
    """
    names = set()
    for node in statements(ast.parse(source), lazy):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            parts = {f"{base}.{alias.name}" for alias in node.names}
            modules = {part for part in parts if is_module(part)}
            names.update(modules if modules == parts else modules | {base})
    return names


def imports_of(path: Path, lazy: bool) -> set[str]:
    package = module_of(path) if path.name == "__init__.py" else module_of(path)[:-1]
    return imported(path.read_text(), package, lazy)


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    ("source", "lazy", "names"),
    [
        ("import a.b, c", False, {"a.b", "c"}),
        ("from a.b import c", False, {"a.b"}),
        ("from kseg import losses", False, {"kseg.losses"}),
        ("from kseg import losses, __version__", False, {"kseg.losses", "kseg"}),
        ("from . import unet", False, {"kseg.models.unet"}),
        ("from .. import losses", False, {"kseg.losses"}),
        ("from .unet import unet", False, {"kseg.models.unet"}),
        ("if True:\n    import a", False, {"a"}),
        ("class C:\n    import a", False, {"a"}),
        ("def f():\n    import a", False, set()),
        ("class C:\n    def f(self):\n        import a", False, set()),
        ("def f():\n    import a", True, {"a"}),
    ],
)
def test_how_this_test_reads_imports(source, lazy, names):
    assert imported(source, ["kseg", "models"], lazy) == names


def test_there_is_something_to_read():
    assert {"edge/predict/semantic.py", "edge/camera_demo.py"} <= {name_of(p) for p in EDGE}
    assert {"kseg/losses.py", "kseg/models/unet.py"} <= {name_of(p) for p in PURE}
    assert {"kseg/train.py", "kseg/data/folder.py"} <= {name_of(p) for p in LAZY}


@pytest.mark.parametrize("path", EDGE, ids=name_of)
def test_edge_stands_alone(path):
    beyond = {"kseg", "keras", "tensorflow", "tf_keras", "PIL", "matplotlib"}
    assert not roots(imports_of(path, lazy=True)) & beyond


@pytest.mark.parametrize("path", EDGE, ids=name_of)
def test_edge_is_python_3_9(path):
    ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_models_losses_and_metrics_know_keras_alone(path):
    names = imports_of(path, lazy=False)
    ours = {name for name in names if roots({name}) == {"kseg"}}
    assert roots(names - ours - {"edge.core.constants"}) <= {"keras", "numpy", *sys.stdlib_module_names}
    names -= {"edge.core.constants"}
    strangers = {
        name
        for name in ours
        if not any(f"{name}.".startswith(f"{module}.") for module in PURE_MODULES)
    }
    assert not strangers


@pytest.mark.parametrize("path", LAZY, ids=name_of)
def test_the_rest_of_kseg_imports_tensorflow_lazily(path):
    assert not roots(imports_of(path, lazy=False)) & {"tensorflow", "tf_keras"}
