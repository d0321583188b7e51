"""Who may read and who may change a run: the tokens of an explorer, and the cookies that stand for them."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256

from starlette.datastructures import Headers

from latentmap.explorer.tokens import new_token

TOKEN = "x-latentmap-token"
ROLE_KEY = "latentmap.role"  # of the scope of a request


class Role(IntEnum):
    """Permissions of a request, in ascending order."""

    NOBODY = 0
    READER = 1
    WRITER = 2


@dataclass(frozen=True)
class Access:
    """The tokens of an explorer and the roles that they give.

    Parameters
    ----------
    token : str
        Token with which the run is read and changed.
    reader_token : str, optional
        Token with which the run is read; a new one by default.
    cookie : str, default="latentmap"
        Name of the cookie. Browsers send a cookie to all ports of a host, so each explorer needs a name of its own.
    is_read_only : bool, default=False
        Whether nobody may change the run.
    needs_token : bool, default=True
        Whether requests without a token are refused.
    """

    token: str
    reader_token: str = field(default_factory=new_token)
    cookie: str = "latentmap"
    is_read_only: bool = False
    needs_token: bool = True

    @property
    def _roles(self) -> tuple[tuple[str, Role], ...]:
        return (self.reader_token, Role.READER), (self.token, Role.WRITER)

    def role_of(self, headers: Headers) -> Role:
        """The role of a request by its headers. A wrong token in the header is refused even with a valid cookie."""
        given = headers.get(TOKEN)
        if not self.needs_token:
            found = Role.WRITER
        elif given is not None:
            found = _strongest(given, self._roles)
        else:
            known = [(self.cookie_value(token), role) for token, role in self._roles]
            found = max((_strongest(one, known) for one in self._cookies(headers)), default=Role.NOBODY)
        return min(found, Role.READER) if self.is_read_only else found

    def token_in(self, headers: Headers) -> str | None:
        """The token in the header of a request; None if it is missing or wrong."""
        given = headers.get(TOKEN)
        return given if given is not None and _strongest(given, self._roles) else None

    def cookie_value(self, token: str) -> str:
        """The cookie that stands for a token at this port; the token does not follow from it."""
        return hmac.digest(token.encode(), self.cookie.encode(), sha256).hex()

    def _cookies(self, headers: Headers) -> list[str]:
        """The values of the cookie. There are several if explorers below different prefixes have the same port."""
        pairs = (one.strip().partition("=") for line in headers.getlist("cookie") for one in line.split(";"))
        return [value for name, _, value in pairs if name == self.cookie]


def _strongest(given: str, known: Iterable[tuple[str, Role]]) -> Role:
    """The strongest role of a secret; the time that this takes does not depend on how much of it is right."""
    text = given.encode("latin-1", "replace")
    return max(role if hmac.compare_digest(text, secret.encode()) else Role.NOBODY for secret, role in known)
