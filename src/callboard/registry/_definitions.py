"""Definitions that are kept in the store: by name, in versions, each by the hash of its text."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import anyio.to_thread
import attrs

from .._catalog import names_a_file
from .._frozen import frozen
from .._workflows import Workflow
from ..storage import Record, Store
from ..workflow import (
    DefinitionError,
    Refused,
    UnknownRecord,
    UsageError,
    VersionConflict,
    WorkflowSpec,
    check_id,
)
from ._code import runs_code
from ._schemas import inputs_schema
from ._shelf import PAGE, Body, Page, Shelf, Wall, check_page

READ_MAX: Final = 64
"""Definitions that are kept as they were read."""

_UNNAMED: Final = "definition"
"""What a definition is called that does not say its name."""

Format = Literal["yaml", "json"]


@frozen(kw_only=True)
class Definition:
    """A workflow that can be started by its name.

    Attributes:
        version: Its number, from 1; None for one that the program knows.
        hash: SHA-256 of its text; None for one that the program knows.
        inputs: The JSON Schema of what it takes.
        tasks: How many it has at the start; None if its inputs decide.
        source: ``file`` if the program that runs the engine knows it, else ``uploaded``.
        code: What of it is not harmless, see :func:`runs_code`.
        text: As it was stored.
    """

    name: str
    version: int | None
    hash: str | None
    description: str | None
    inputs: Mapping[str, Any]
    tasks: int | None
    source: Literal["file", "uploaded"]
    deprecated: bool = False
    code: tuple[str, ...] = ()
    format: str | None = None
    by: str | None = None
    stored_at: float | None = None
    text: str | None = None


class Definitions:
    """The definitions of a store, and those that the program knows, which come first.

    Each name is one record that lists its versions; the texts stand by their hash.

    Args:
        store: Where they are.
        wall: Gives the time at which one is stored.
        known: Workflows that the program which runs the engine knows.
    """

    def __init__(
        self, store: Store, wall: Wall, known: Mapping[str, Workflow | WorkflowSpec]
    ) -> None:
        self._names = Shelf(store, wall, "workflow")
        self._texts = Shelf(store, wall, "definition")
        self._wall = wall
        self._known = known
        # By hash: what was read of a text is true for ever.
        self._read: OrderedDict[str, WorkflowSpec] = OrderedDict()

    # ------------------------------------------------------------------ storing

    async def store(
        self,
        text: str,
        format: Format = "yaml",
        by: str | None = None,
        *,
        may_run_code: bool = True,
    ) -> tuple[Definition, bool]:
        """Store a definition, and return it and whether it is new.

        The text of the newest version again is nothing new.  A deprecated name is taken into use
        again.

        Args:
            text: YAML or JSON, which says its name by ``workflow:``.
            format: What it is shown as.
            by: Who stores it.
            may_run_code: Whether it may hold what runs code on the machine of the engine.

        Raises:
            DefinitionError: all that is wrong with it.
            Refused: it may not be stored.
        """
        spec = await self._parse(text, format)
        self._refuse(spec, may_run_code=may_run_code)
        digest = hashlib.sha256(text.encode()).hexdigest()
        await self._keep_text(digest, text)
        new = {
            "hash": digest,
            "format": format,
            "by": by,
            "at": self._wall(),
            "description": spec.description,
            "inputs": inputs_schema(spec),
            "tasks": len(spec.tasks),
            "code": [str(each) for each in runs_code(spec)],
        }
        while True:
            found = await self._names.find(spec.name)
            body = _with(found, new)
            if found is not None and body == found.body:
                return attrs.evolve(_definition(found), text=text), False
            version = 0 if found is None else found.version
            try:
                stored = await self._names.put(self._names.record(spec.name, body), version)
            except VersionConflict:
                continue
            return attrs.evolve(_definition(stored), text=text), True

    def _refuse(self, spec: WorkflowSpec, *, may_run_code: bool) -> None:
        if spec.name in self._known:
            raise Refused(
                f"workflow {spec.name!r} is part of the program that runs the engine; "
                "give this one another name"
            )
        code = [] if may_run_code else runs_code(spec)
        if code:
            raise Refused(
                f"workflow {spec.name!r} would run code on the server, or read what is there: "
                f"{', '.join(map(str, code))}; only an administrator may store that",
                kind="forbidden",
            )

    async def _keep_text(self, digest: str, text: str) -> None:
        try:
            await self._texts.add(digest, {"text": text})
        except VersionConflict:
            return  # The same text is there already.

    async def _parse(self, text: str, format: str) -> WorkflowSpec:
        # In a thread: a large one takes a second, and the engine has others to serve.
        spec = await anyio.to_thread.run_sync(_parse, text, f"{_UNNAMED}.{format}")
        try:
            check_id("the name of a workflow", spec.name)
        except UsageError as error:
            raise DefinitionError([str(error)]) from error
        if names_a_file(spec.name):
            raise DefinitionError(
                [f"the name of a workflow must not look like a file: {spec.name!r}"]
            )
        return spec

    # ------------------------------------------------------------------ looking

    async def get(self, name: str, version: int | None = None) -> Definition:
        """Return a definition with its text: the newest, or one of its versions.

        Raises:
            UnknownRecord: there is none.
        """
        known = self._known.get(name)
        if known is not None and version is None:
            return _known(known)
        found = await self._find(name)
        definition = _definition(found, version)
        assert definition.hash is not None
        text = await self._texts.get(definition.hash)
        return attrs.evolve(definition, text=text.body["text"])

    async def list(self, *, limit: int = PAGE, offset: int = 0) -> Page[Definition]:
        """Return the newest of each name: first what the program knows, then what was stored."""
        check_page(limit, offset)
        known = [each for _, each in sorted(self._known.items())]
        hidden = [name for name in self._known if await self._names.find(name) is not None]
        items = [_known(each) for each in known[offset : offset + limit]]
        rest = limit - len(items)
        records = await self._stored(max(0, offset - len(known)), rest, hidden)
        stored = await self._names.store.count_records(self._names.kind)
        return Page(
            items=[*items, *map(_definition, records)],
            total=len(known) + stored - len(hidden),
            limit=limit,
            offset=offset,
        )

    async def _stored(self, offset: int, limit: int, hidden: Sequence[str]) -> Sequence[Record]:
        """Return a part of the records without those that are hidden."""
        page = await self._names.page(limit + len(hidden), offset)
        if not (page.items and limit):
            return ()
        # As many of them as stand in front of this page: it begins that much too early.
        earlier = sum(name < page.items[0].id for name in hidden)
        shown = [each for each in page.items if each.id not in hidden]
        return shown[earlier : earlier + limit]

    async def versions(self, name: str) -> Sequence[Definition]:
        """Return all versions of a stored definition, the newest first.

        Raises:
            UnknownRecord: there is none with this name.
        """
        found = await self._find(name)
        return [_definition(found, number) for number in range(len(found.body["versions"]), 0, -1)]

    async def _find(self, name: str) -> Record:
        found = await self._names.find(name)
        if found is None:
            raise UnknownRecord(
                f"there is no workflow {name!r}: neither the program that runs the engine nor the "
                "store has one"
            )
        return found

    # ------------------------------------------------------------------ starting

    async def workflow(self, name: str, version: int | None = None) -> Workflow | WorkflowSpec:
        """Return a workflow to start.

        Raises:
            UnknownRecord: there is none.
            Refused: it is deprecated.
        """
        known = self._known.get(name)
        if known is not None and version is None:
            return known
        found = await self._find(name)
        if found.body["deprecated"]:
            raise Refused(
                f"workflow {name!r} is deprecated: nobody starts it any more; "
                "store it again to take it into use"
            )
        return await self._spec(_definition(found, version))

    async def find(self, name: str) -> WorkflowSpec | None:
        """Return the newest version for a run that names it, deprecated or not; or None.

        A run that goes on is not stopped by what is deprecated meanwhile.
        """
        found = await self._names.find(name)
        return None if found is None else await self._spec(_definition(found))

    async def _spec(self, definition: Definition) -> WorkflowSpec:
        assert definition.hash is not None
        known = self._read.get(definition.hash)
        if known is None:
            text = await self._texts.get(definition.hash)
            known = await self._parse(text.body["text"], definition.format or "yaml")
            self._read[definition.hash] = known
            while len(self._read) > READ_MAX:
                self._read.popitem(last=False)
        self._read.move_to_end(definition.hash)
        return known

    async def deprecate(self, name: str) -> Definition:
        """Let nobody start it any more; runs of it go on.

        Raises:
            Refused: the program that runs the engine knows it.
            UnknownRecord: there is none with this name.
        """
        if name in self._known:
            raise Refused(
                f"workflow {name!r} is part of the program that runs the engine: "
                "it is taken out there"
            )
        await self._find(name)
        changed = await self._names.change(name, None, lambda body: {**body, "deprecated": True})
        return _definition(changed)


def _parse(text: str, source: str) -> WorkflowSpec:
    from ..definitions import loads
    from ..definitions._nodes import Mapping as MappingNode
    from ..definitions._text import decode, parse

    spec = loads(text, source)
    if spec.name == _UNNAMED:
        node = parse(decode(text, source), source)
        if not (isinstance(node, MappingNode) and "workflow" in node.entries):
            raise DefinitionError([f"{source}: it must say its name, as workflow: NAME"])
    return spec


def _with(found: Record | None, new: Body) -> Body:
    """Return the record of a name with one version more, or as it is if the text is the newest."""
    if found is None:
        return {"versions": [new], "deprecated": False}
    versions = found.body["versions"]
    if versions[-1]["hash"] != new["hash"]:
        versions = [*versions, new]
    return {"versions": versions, "deprecated": False}


def _definition(record: Record, version: int | None = None) -> Definition:
    versions = record.body["versions"]
    number = len(versions) if version is None else version
    if not 1 <= number <= len(versions):
        raise UnknownRecord(
            f"workflow {record.id!r} has no version {version}: it has 1 to {len(versions)}"
        )
    body = versions[number - 1]
    return Definition(
        name=record.id,
        version=number,
        hash=body["hash"],
        description=body["description"],
        inputs=body["inputs"],
        tasks=body["tasks"],
        source="uploaded",
        deprecated=record.body["deprecated"],
        code=tuple(body["code"]),
        format=body["format"],
        by=body["by"],
        stored_at=body["at"],
    )


def _known(workflow: Workflow | WorkflowSpec) -> Definition:
    spec = workflow if isinstance(workflow, WorkflowSpec) else None
    return Definition(
        name=workflow.name,
        version=None,
        hash=None,
        description=_described(workflow),
        inputs=inputs_schema(workflow),
        tasks=None if spec is None else len(spec.tasks),
        source="file",
        code=() if spec is None else tuple(map(str, runs_code(spec))),
    )


def _described(workflow: Workflow | WorkflowSpec) -> str | None:
    if isinstance(workflow, WorkflowSpec):
        return workflow.description
    lines = (workflow.function.__doc__ or "").strip().splitlines()
    return lines[0] if lines else None
