"""Tokens: who may ask for what.  Only the hash of a secret is kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from typing import Final

from .._frozen import frozen
from ..storage import Record, Store
from ..workflow import Refused, UsageError, VersionConflict, check_id
from ._owners import Owners
from ._shelf import PAGE, Page, Shelf, Wall

PREFIX: Final = "callboard_"
"""By this a secret that lies around is recognised."""

SECRET_LENGTH_MAX: Final = 200

ROLES: Final = ("view", "operate", "worker", "admin")

_GIVES: Final = {
    "view": frozenset({"view"}),
    "operate": frozenset({"view", "operate"}),
    "worker": frozenset({"worker"}),
    "admin": frozenset(ROLES),
}


@frozen
class Who:
    """Somebody who asks.

    Attributes:
        name: What events and the audit trail call them.
        roles: What they were given: view, operate, worker, admin.
        owner: The group of workers that they belong to.
    """

    name: str
    roles: tuple[str, ...] = ()
    owner: str | None = None

    def may(self, role: str) -> bool:
        """Whether they may what this role may: operate includes view, admin includes all."""
        return any(role in _GIVES.get(each, ()) for each in self.roles)


@frozen(kw_only=True)
class Token:
    """What there is to know of a token, without its secret."""

    name: str
    roles: tuple[str, ...]
    owner: str | None = None
    created_at: float


class Tokens:
    """The tokens of a store.

    A token is two records: one by its name, which counts, and one by the hash of its secret, which
    leads there.  That it leads there is not enough: the hashes must be the same.
    """

    def __init__(self, store: Store, wall: Wall, owners: Owners) -> None:
        self._tokens = Shelf(store, wall, "token")
        self._hashes = Shelf(store, wall, "token_hash")
        self._owners = owners

    async def add(self, name: str, roles: Collection[str], owner: str | None = None) -> str:
        """Make a token and return its secret, which nobody can be told again.

        Raises:
            Refused: there is one with this name.
            UnknownRecord: there is no such owner.
            UsageError: the name or the roles are wrong.
        """
        check_id("the name of a token", name)
        given = _checked(roles)
        if owner is not None and (await self._owners.get(owner)).deprecated:
            raise Refused(f"owner {owner!r} is deprecated: choose another one")
        secret = PREFIX + secrets.token_urlsafe(32)
        digest = _hash(secret)
        # First what leads to it: if the other is not written, this leads nowhere.
        await self._hashes.add(digest, {"name": name})
        try:
            await self._tokens.add(name, {"hash": digest, "roles": given, "owner": owner})
        except VersionConflict:
            await self._hashes.drop(digest, 1)
            raise Refused(
                f"there is a token {name!r} already; remove it first, or choose another name",
                kind="exists",
            ) from None
        return secret

    async def find(self, secret: str) -> Who | None:
        """Return whose secret it is; None if it is nobody's."""
        if not secret.startswith(PREFIX) or len(secret) > SECRET_LENGTH_MAX:
            return None
        digest = _hash(secret)
        # How long this takes tells of hashes alone, from which no secret can be made.
        by_hash = await self._hashes.find(digest)
        found = None if by_hash is None else await self._tokens.find(by_hash.body["name"])
        if found is None or not hmac.compare_digest(found.body["hash"], digest):
            return None
        token = _token(found)
        return Who(token.name, token.roles, token.owner)

    async def any(self) -> bool:
        """Whether there is any token."""
        return await self._tokens.store.count_records("token") > 0

    async def list(self, *, limit: int = PAGE, offset: int = 0) -> Page[Token]:
        """Return tokens in the order of their names."""
        page = await self._tokens.page(limit, offset)
        return Page(
            items=[_token(each) for each in page.items],
            total=page.total,
            limit=limit,
            offset=offset,
        )

    async def remove(self, name: str) -> None:
        """Make a token worthless.

        Raises:
            UnknownRecord: there is none with this name.
        """
        found = await self._tokens.get(name)
        try:
            await self._tokens.drop(name, found.version)
            await self._hashes.drop(found.body["hash"], 1)
        except VersionConflict:
            return  # Somebody else removed it just now.


def _checked(roles: Collection[str]) -> list[str]:
    given = [roles] if isinstance(roles, str) else list(dict.fromkeys(roles))
    unknown = [each for each in given if each not in ROLES]
    if unknown or not given:
        wrong = f"there is no role {', '.join(map(repr, unknown))}" if unknown else "no role"
        raise UsageError(f"{wrong}; the roles are {', '.join(ROLES)}")
    return given


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def _token(record: Record) -> Token:
    body = record.body
    return Token(
        name=record.id,
        roles=tuple(body["roles"]),
        owner=body["owner"],
        created_at=record.changed_at,
    )
