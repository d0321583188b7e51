"""What the notebook that runs this program can show."""

import sys
from importlib.util import find_spec

INSTALL = (
    "This frame works on the machine of the notebook only. With the packages of "
    "pip install 'latentmap[notebook]' the explorer is a widget, which works everywhere."
)


def has_widgets() -> bool:
    """Whether the packages of the extra ``notebook`` that widgets need are installed."""
    return find_spec("anywidget") is not None


def is_in_notebook() -> bool:
    """Whether this program is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def can_show_widgets() -> bool:
    """Whether this program can show a widget."""
    return is_in_notebook() and has_widgets()
