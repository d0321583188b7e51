"""The parts of the site that mkdocs.yml cannot express.

Files at the root of the repository become pages, docstrings that Sphinx understands become such that Griffe does, and a
public name of the reference without a docstring is a warning, which a strict build does not accept.
"""

import logging
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
# Page of the site -> file at the root that it shows
ROOT_PAGES = {
    "index.md": "README.md",
    "ko/index.md": "README.ko.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "license.md": "LICENSE",
}
ROLE = re.compile(r":(?:class|func|meth|mod):`~?\.?([\w.]+)`")
# "name, name : type" and the indented lines below it
GROUPED = re.compile(r"^(\**\w+(?:, \**\w+)+)( ?:.*)?\n((?: {4}.*(?:\n|$))+)", re.MULTILINE)
# Markdown nests a list by four spaces, reStructuredText by two.
NESTED = re.compile(r"^ +(?=[*\w])", re.MULTILINE)
RENDERED = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)

# MkDocs counts the warnings of loggers below its own.
log = logging.getLogger("mkdocs.hooks.latentmap")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files at the root as pages."""
    for page, name in ROOT_PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        if name == "LICENSE":
            text = f"# License\n\n```text\n{text}```\n"
        files.append(File.generated(config, page, content=_with_site_links(text, page)))
    return files


def _with_site_links(text: str, page: str) -> str:
    up = "../" * page.count("/")
    for site_page, name in ROOT_PAGES.items():
        text = text.replace(f"]({name})", f"]({up}{site_page})")
    return text.replace("](docs/", f"]({up}")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Warn of the names on a page that have no docstring."""
    for name in RENDERED.findall(markdown):
        for path in _undocumented(_package()[name.removeprefix("latentmap.")]):
            log.warning("%s has no docstring", path)
    return markdown


@cache
def _package() -> Any:
    return griffe.load("latentmap", search_paths=[ROOT / "src"])


def _undocumented(found: Any) -> Iterator[str]:
    """Public classes, functions and properties without a docstring, the object itself included."""
    found = found.final_target if found.is_alias else found
    if not found.has_docstring:
        yield found.path
    if found.is_class or found.is_module:
        for name, member in found.members.items():
            is_shown = name in (found.exports or ()) if found.is_module else not name.startswith("_")
            if is_shown and (member.is_alias or member.is_function or member.is_class or "property" in member.labels):
                yield from _undocumented(member)


class SphinxDocstrings(griffe.Extension):
    """Turns ``:func:`name``` into a link if the reference has the name, and gives each of ``name, name`` its own entry.

    Griffe would give all parameters of a group the type and default of the first. Nested lists of a module, such as the
    tree of errors, keep their levels.
    """

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object that Griffe has read."""
        if obj.docstring is not None:
            text = GROUPED.sub(_separate, obj.docstring.value)
            if obj.is_module:
                text = NESTED.sub(lambda item: 2 * item[0], text)
            obj.docstring.value = ROLE.sub(lambda role: _link(role[1], obj), text)


def _separate(group: re.Match[str]) -> str:
    return "".join(f"{name}{group[2] or ''}\n{group[3].rstrip()}\n" for name in group[1].split(", "))


def _link(name: str, obj: griffe.Object) -> str:
    """A link to the name, which is a member of the object or of its parent, or a full name."""
    parents = [one for one in (obj, obj.parent) if one is not None]
    path = next((f"{parent.path}.{name}" for parent in parents if name in parent.members), name)
    return f'<autoref identifier="{path}" optional><code>{name}</code></autoref>'
