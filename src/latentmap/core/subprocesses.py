"""Command and environment of Python child processes that run this package."""

import os
import sys
from pathlib import Path

# Folder from which this process imports the package.
_SOURCE_FOLDER = Path(__file__).parents[2]


def python_command(*arguments: str) -> list[str]:
    """Command that runs the Python of this process.

    The child does not import modules from its working folder (``-P``), so that a file of the user, such as
    ``random.py``, cannot replace a module.

    Parameters
    ----------
    *arguments : str
        Arguments of the interpreter, such as ``"-m", "latentmap.run.warmup"``.

    Returns
    -------
    list of str

    Examples
    --------
    >>> python_command("-m", "json.tool")[1:]
    ['-P', '-m', 'json.tool']
    """
    return [sys.executable, "-P", *arguments]


def python_environment(**variables: str) -> dict[str, str]:
    """Environment in which a child imports the same copy of this package as this process.

    Parameters
    ----------
    **variables : str
        Further environment variables, which replace those of this process.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> python_environment(OMP_NUM_THREADS="1")["OMP_NUM_THREADS"]
    '1'
    """
    path = os.pathsep.join(filter(None, [str(_SOURCE_FOLDER), os.environ.get("PYTHONPATH")]))
    return os.environ | variables | {"PYTHONPATH": path}
