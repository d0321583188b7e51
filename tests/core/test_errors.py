"""The tree of errors: one root, a builtin for each, and the documentation at the top of its file."""

import ast
import builtins
import inspect
import pickle
import re
from pathlib import Path

import pytest

import latentmap
from latentmap.core import errors

CLASSES = [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, Exception)]
SRC = Path(latentmap.__file__).parent
# Exceptions that control the flow within one module, and answers with an HTTP status.
BESIDE_THEIR_CODE = {"_WorkerLostError", "_MultiPageFileError", "BadRequest"}


def fitting_builtins(error: type) -> list[str]:
    return [one.__name__ for one in error.__mro__ if hasattr(builtins, one.__name__) and one.__name__ != "Exception"]


@pytest.mark.parametrize("error", CLASSES)
def test_each_error_is_a_latentmap_error_and_a_builtin(error):
    assert issubclass(error, errors.LatentmapError)
    assert error is errors.LatentmapError or fitting_builtins(error)[0] not in ("BaseException", "object")


def test_the_documented_tree_is_that_of_the_classes():
    lines = re.findall(r"^( *)\* (\w+)(?: \((\w+)\))?", errors.__doc__, re.MULTILINE)
    documented, path = {}, []
    for indent, name, builtin in lines:
        depth = len(indent) // 2
        path[depth:] = [name]
        parent = path[depth - 1] if depth else "Exception"
        documented[name] = (parent, builtin)
    assert documented.keys() == {one.__name__ for one in CLASSES}
    for error in CLASSES:
        parent, builtin = documented[error.__name__]
        assert error.__bases__[0].__name__ == parent
        own = [base.__name__ for base in error.__bases__[1:]]
        assert own == ([builtin] if builtin else [])


@pytest.mark.parametrize("error", CLASSES)
def test_errors_reach_other_processes(error):
    again = pickle.loads(pickle.dumps(error("what, and what to do")))
    assert (type(again), str(again)) == (error, "what, and what to do")


def test_errors_are_defined_in_one_file():
    found = {}
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base) for base in node.bases]
                if any(base.endswith(("Error", "Exception")) for base in bases):
                    found[node.name] = path.name
    beside = {name for name, file in found.items() if file != "errors.py"}
    assert beside == BESIDE_THEIR_CODE


@pytest.mark.parametrize("name", [name for name in latentmap.__all__ if name.endswith("Error")])
def test_public_errors_are_those_of_the_tree(name):
    assert getattr(latentmap, name) is getattr(errors, name)
