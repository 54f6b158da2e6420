"""Who asks, and what they may: tokens, the host application's own login, or this machine alone."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

from starlette.requests import Request

from .._frozen import frozen
from ..registry import Who
from ._kept import Kept
from ._problems import Problem

if TYPE_CHECKING:
    from ._endpoint import Role

Authorize: TypeAlias = Callable[[Request], Awaitable[Who | None]]
"""Decides who asks, for an application with a login of its own; None: nobody that is known."""

HERE: Final = Who("local", ("operate", "worker"))
"""Whoever asks from this machine where there are no tokens."""

NOBODY: Final = Who("nobody")
"""Whoever asks for what everybody may see."""


@frozen
class Access:
    """Lets requests in.

    Attributes:
        tokens: Finds whose token it is; None for nobody's.
        has_tokens: Whether there is any token at all: without one only this machine may ask.
        authorize: Takes the place of tokens, and of what this machine may without.
    """

    tokens: Kept[str, Who | None]
    has_tokens: Callable[[], Awaitable[bool]]
    authorize: Authorize | None = None

    def client(self, request: Request) -> str:
        """Return by what a client is counted, as far as that is known without asking anybody.

        That is the token that it was known by a moment ago, or else its address: whoever makes up
        tokens is one client.
        """
        token = None if self.authorize is not None else _token(request)
        known = None if token is None else self.tokens.last(token)
        if known is not None:
            return f"token {known.name}"
        return request.client.host if request.client else ""

    async def who(self, request: Request) -> Who:
        """Return who asks.

        Raises:
            Problem: nobody that is known.
        """
        if self.authorize is not None:
            found = await self.authorize(request)
            if found is None:
                raise unauthorized("this application does not know who asks")
            return found
        if "authorization" in request.headers:
            token = _token(request)
            if token is None:
                raise unauthorized("say `Authorization: Bearer TOKEN`")
            known = await self.tokens.get(token)
            if known is None:
                raise unauthorized("there is no such token, or it was removed")
            return known
        if await self.has_tokens():
            raise unauthorized("a token is needed: say `Authorization: Bearer TOKEN`")
        if not is_local(request):
            raise unauthorized(
                "without a token only this machine may ask; make one with `callboard token add`"
            )
        return HERE


def _token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def require(who: Who, role: Role | tuple[Role, ...]) -> None:
    """Refuse who has not a role, or none of several.

    Raises:
        Problem: it names the role that is needed.
    """
    roles = (role,) if isinstance(role, str) else role
    if not any(map(who.may, roles)):
        has, needed = ", ".join(who.roles) or "none", " or ".join(roles)
        detail = f"{who.name!r} has the roles {has}; this needs {needed}"
        raise Problem(403, detail, kind="forbidden")


def unauthorized(detail: str) -> Problem:
    """Return the answer to somebody who is not known."""
    return Problem(
        401, detail, kind="unauthorized", headers={"www-authenticate": 'Bearer realm="callboard"'}
    )


def is_local(request: Request) -> bool:
    """Whether a request comes from this machine, and was meant for it.

    Its ``Host`` is looked at, too: a page elsewhere whose name was made to lead here is not local.
    Nor is what a proxy on this machine passes on, whoever it says it does that for.
    """
    client = request.client
    if any(name in request.headers for name in _PASSED_ON):
        return False
    return client is not None and _is_loopback(client.host) and _is_loopback(_host(request))


_PASSED_ON: Final = (
    *("forwarded", "via", "x-real-ip"),
    *(f"x-forwarded-{what}" for what in ("for", "host", "proto", "port", "server", "prefix")),
)
"""What proxies say: RFC 7239, RFC 9110 (7.6.3), and what they said before these."""

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\\\[\]]+)(?::[0-9]*)?")


def _host(request: Request) -> str:
    """Return the name or address that a request was meant for; nothing if it is not one alone."""
    found = _HOST.fullmatch(request.headers.get("host", ""))
    return "" if found is None else found[1].strip("[]").lower()


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # A socket for both families gives an IPv4 address as one of IPv6.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def check_site(request: Request) -> None:
    """Refuse what a page of another site has its visitor's browser send.

    Raises:
        Problem: it comes from another site.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    same = site in (None, "same-origin", "none") and (
        origin is None or urlsplit(origin).netloc == request.headers.get("host")
    )
    if not same:
        raise Problem(
            403, f"this request was sent by a page of {origin or 'another site'}", kind="cross_site"
        )
