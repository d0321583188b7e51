"""Self-contained HTML pages: Jinja templates with the pictures inside."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from latentmap.core.progress import counted


def render(template: str, *, folder: Path, **values: Any) -> str:
    """Fill in a template of ``templates/``; pictures named in it are read from ``folder`` and embedded.

    All values are escaped. In a template, ``{{ picture(name, alt) }}`` gives an ``<img>`` with the file inside, and
    ``{{ counted(n, "image") }}`` a number and what it counts.
    """
    environment = Environment(
        loader=PackageLoader("latentmap.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["counted"] = counted
    environment.globals["picture"] = lambda name, alt: _picture(folder / name, alt)
    return environment.get_template(template).render(**values)


def _picture(path: Path, alt: str) -> Markup:
    data = base64.b64encode(path.read_bytes()).decode()
    return Markup('<img src="data:image/png;base64,{}" alt="{}" loading="lazy">').format(data, alt)
