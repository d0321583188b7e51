"""Docstrings of the public names: each parameter is documented, and each error that is raised is listed."""

import ast
import builtins
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import latentmap

SECTION = r"^{}\n-+\n(.*?)(?=^\w[^\n]*\n-{{3,}}$|\Z)"


def public_names() -> Iterator[tuple[str, Any]]:
    """The classes and functions of ``latentmap.__all__``, and the functions of its modules."""
    for name in latentmap.__all__:
        value = getattr(latentmap, name)
        if inspect.ismodule(value):
            for inner, one in vars(value).items():
                is_own = one.__module__ == value.__name__ if inspect.isfunction(one) else False
                if not inner.startswith("_") and (is_own or inner in getattr(value, "__all__", ())):
                    yield f"{name}.{inner}", one
        elif not isinstance(value, str):
            yield name, value


def callables() -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """Name, docstring and function of each public function, class (its ``__init__``) and method of its own."""
    for name, value in public_names():
        if inspect.isfunction(value):
            yield name, value.__doc__ or "", value
        elif not issubclass(value, Exception):
            if "__init__" in vars(value):
                yield name, value.__doc__ or "", value.__init__
            for method, member in vars(value).items():
                function = getattr(member, "__func__", getattr(member, "fget", getattr(member, "func", member)))
                if not method.startswith("_") and inspect.isfunction(function):
                    yield f"{name}.{method}", function.__doc__ or "", function


def listed(docstring: str, section: str) -> set[str]:
    """The names that a section of a docstring lists, each at the start of a line: ``a, b : int``."""
    found = re.search(SECTION.format(section), inspect.cleandoc(docstring) + "\n", re.MULTILINE | re.DOTALL)
    lines = found[1].splitlines() if found else []
    heads = [line.partition(" : ")[0] for line in lines if line and not line.startswith(" ")]
    return {name.strip().lstrip("*") for head in heads for name in head.split(",")}


def raised_directly(function: Callable[..., Any]) -> set[str]:
    """The classes in the ``raise`` statements of a function."""
    try:
        source = inspect.getsource(function)
    except OSError:  # a method that dataclass generates
        return set()
    found = set()
    for node in ast.walk(ast.parse(textwrap.dedent(source))):
        if isinstance(node, ast.Raise) and node.exc is not None:
            name = ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
            value = function.__globals__.get(name, getattr(builtins, name, None))
            if inspect.isclass(value) and issubclass(value, BaseException):
                found.add(name)
    return found


PUBLIC = [pytest.param(docstring, function, id=name) for name, docstring, function in callables()]


@pytest.mark.parametrize(("docstring", "function"), PUBLIC)
def test_each_parameter_is_documented(docstring, function):
    known = listed(docstring, "Parameters") | listed(docstring, "Attributes")  # those of a dataclass are both
    assert set(inspect.signature(function).parameters) - {"self", "cls"} <= known


@pytest.mark.parametrize(("docstring", "function"), PUBLIC)
def test_each_error_that_is_raised_is_listed(docstring, function):
    assert raised_directly(function) <= listed(docstring, "Raises")


@pytest.mark.parametrize(("docstring", "function"), PUBLIC)
def test_no_parameter_is_documented_that_is_not_there(docstring, function):
    parameters = inspect.signature(function).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return
    assert listed(docstring, "Parameters") <= set(parameters)


def test_the_walk_finds_the_public_names():
    names = {name for name, _, _ in callables()}
    assert {"TSNE", "TSNE.fit", "Run.open", "Run.options", "metrics.purity", "plots.scatter", "map_images"} <= names
