"""Rules that the whole code keeps, whoever writes it."""

import ast
import pydoc
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.sources import APPS, CODE, PROJECT_DIR, find_files, name

LONGEST_FILE = 500
DOTTED = re.compile(rf"(?:{'|'.join(APPS)})\.tasks\.\w+")
ENQUEUERS = {"async_task", "schedule"}


def python_files(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in find_files(*folders, endings=(".py",)):
        yield path, ast.parse(path.read_text(), filename=str(path))


def find_task_names() -> dict[str, str]:
    """Every dotted name that is enqueued, scheduled or otherwise written down, and where."""
    names: dict[str, str] = {}
    for path, tree in python_files(*APPS):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value):
                names[node.value] = f"{name(path)}:{node.lineno}"
            if isinstance(node, ast.Call) and node.args and _called(node) in ENQUEUERS:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    names[first.value] = f"{name(path)}:{node.lineno}"
    return names


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_every_task_name_resolves() -> None:
    names = find_task_names()
    assert len(names) >= 3, "the search itself is broken"
    missing = [f"{place}: {dotted}" for dotted, place in names.items() if not callable(pydoc.locate(dotted))]
    assert missing == []


def test_imports_go_down_only() -> None:
    answer = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout


def test_no_file_is_too_long() -> None:
    endings = (".py", ".html", ".css", ".js")
    files = find_files(*CODE, "templates", "static", endings=endings)
    long = {
        name(path): lines
        for path in files
        if "migrations" not in path.parts and (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_no_catch_all_modules() -> None:
    names = {"utils.py", "helpers.py", "misc.py", "common.py"}
    assert [name(path) for path in find_files(*CODE, endings=(".py",)) if path.name in names] == []


def test_no_model_signals() -> None:
    """Before tables change the books are looked at (``orders/way_back.py``), and afterwards roles get their permissions
    (``customers/roles.py``); no row sends anything when it is saved.
    """
    of_tables = r"from django\.db\.models\.signals import (pre|post)_migrate\n"
    found = [
        name(path)
        for path in find_files(*APPS, endings=(".py",))
        if re.search(r"django\.db\.models\.signals|django\.dispatch", re.sub(of_tables, "", path.read_text()))
    ]
    assert found == []


def test_models_save_themselves_plainly() -> None:
    """No logic in save(), delete() or __init__ of a model."""
    found = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path, tree in python_files(*APPS)
        if path.name == "models.py" or path.parent.name == "models"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in {"save", "delete", "__init__", "full_clean"}
    ]
    assert found == []


@pytest.mark.parametrize("app", [app for app in APPS if app != "config"])
def test_no_import_hides_in_a_function(app: str) -> None:
    """An import in a function is how a circle is dodged; Django's ``ready`` is the place for what needs the models."""
    found = [
        f"{name(path)}:{inner.lineno}"
        for path, tree in python_files(app)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "ready"
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert found == []


def imports_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_the_simulator_is_a_program_of_its_own() -> None:
    """Nobody imports it, and it needs the standard library only."""
    inside = PROJECT_DIR / "providers" / "simulator"
    found = [
        f"{name(path)}:{line} {module}"
        for path in find_files(*CODE, endings=(".py",))
        # The word stands in every file that could import it.
        if inside not in path.parents and "simulator" in (text := path.read_text())
        for line, module in imports_of(ast.parse(text))
        if module == "providers.simulator" or module.startswith("providers.simulator.")
    ]
    needed = {
        module.split(".")[0] if not module.startswith("providers.simulator") else ""
        for path, tree in python_files("providers/simulator")
        for _line, module in imports_of(tree)
    }
    assert found == []
    assert needed - {""} <= set(sys.stdlib_module_names)
