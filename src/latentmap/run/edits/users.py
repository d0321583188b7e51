"""The names of those who edit a run."""

import getpass
import os
from typing import Any

from latentmap.core.errors import EditError
from latentmap.run.edits.schema import MAX_USER_LENGTH, plain_text


def current_user() -> str:
    """The name of this user on the system, by which edits are recorded unless another name is given.

    Examples
    --------
    >>> len(current_user()) > 0
    True
    """
    try:
        found = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container can run under a number that has no name
        found = ""
    return plain_text(found, MAX_USER_LENGTH) or f"user {os.getuid() if hasattr(os, 'getuid') else ''}".strip()


def checked_user(name: Any) -> str:
    """Check the name of a user.

    Raises
    ------
    EditError
        If it is no text of one line with at most 100 characters.

    Examples
    --------
    >>> checked_user(" ann ")
    'ann'
    """
    found = plain_text(name, MAX_USER_LENGTH)
    if not found:
        raise EditError(f"user: pass a name of one line and 1 to {MAX_USER_LENGTH} characters")
    return found
