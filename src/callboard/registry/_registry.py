"""The registry of a store: what is remembered beside runs, each part by its name."""

from __future__ import annotations

from .._frozen import frozen
from .._workflows import Workflow
from ..storage import RunQuery, Store
from ..workflow import WorkflowSpec
from ._audit import Audit
from ._definitions import Definitions
from ._host import Host
from ._jobs import Jobs
from ._owners import Owners
from ._shelf import Wall
from ._starts import Starts
from ._tokens import Tokens
from ._topics import Topic, Topics
from ._totals import TaskTotals, named, task_totals


@frozen(kw_only=True)
class TopicTotals:
    """What the jobs, runs and tasks of a topic come to.

    Attributes:
        jobs: How many jobs are in each state.
        runs: How many runs are in each state.
        tasks: How many of their tasks are in each state.
        units: The same tasks, in four words.
    """

    topic: Topic
    jobs: dict[str, int]
    runs: dict[str, int]
    tasks: dict[str, int]
    units: TaskTotals


class Registry:
    """What is remembered beside runs: every door asks here, and none decides by itself.

    Args:
        store: An opened store.
        wall: Gives the wall time.
        host: The engine that starts runs.

    Attributes:
        definitions: Workflows by name, those that were stored and those that the program knows.
        topics: What jobs and runs are about.
        jobs: Groups of runs, and drafts of such.
        owners: Groups of workers, and whose a label is.
        tokens: Who may ask for what.
        audit: Who did what.
        starts: Starts runs that belong somewhere, or that a key makes unique.
    """

    def __init__(self, store: Store, wall: Wall, host: Host) -> None:
        self._store = store
        self.definitions = Definitions(store, wall, host.workflows)
        self.topics = Topics(store, wall)
        self.owners = Owners(store, wall)
        self.jobs = Jobs(store, wall, self.topics, self.definitions, host)
        self.tokens = Tokens(store, wall, self.owners)
        self.audit = Audit(store, wall)
        self.starts = Starts(store, wall, self.topics, self.jobs, host)

    async def workflow(self, name: str, version: int | None = None) -> Workflow | WorkflowSpec:
        """Return a workflow to start, by its name.

        Raises:
            UnknownRecord: there is none.
            Refused: it is deprecated.
        """
        return await self.definitions.workflow(name, version)

    async def topic_totals(self, id: str) -> TopicTotals:
        """Return what the jobs, runs and tasks of a topic come to.

        Raises:
            UnknownRecord: there is no such topic.
        """
        topic = await self.topics.get(id)
        query = RunQuery(topic=id)
        tasks = await self._store.task_counts(query)
        return TopicTotals(
            topic=topic,
            jobs={str(state): count for state, count in (await self.jobs.by_state(id)).items()},
            runs=named(await self._store.run_counts(query)),
            tasks=named(tasks),
            units=task_totals(tasks),
        )
