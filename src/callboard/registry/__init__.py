"""What is remembered beside runs: definitions, topics, jobs, owners, start keys, tokens, audit.

It stands on the records of a store and knows nothing of HTTP or terminals.  Every decision about
these things is made here, for all doors alike: ``engine.registry`` in Python, REST, and the command
line.
"""

from __future__ import annotations

from ._audit import Audit as Audit, Note as Note
from ._code import Code as Code, runs_code as runs_code
from ._definitions import Definition as Definition, Definitions as Definitions
from ._host import Host as Host, Prepared as Prepared
from ._jobs import Job as Job, Jobs as Jobs, Planned as Planned
from ._owners import Owner as Owner, Owners as Owners
from ._registry import Registry as Registry, TopicTotals as TopicTotals
from ._shelf import Page as Page
from ._starts import OnExisting as OnExisting, Started as Started, Starts as Starts, Wish as Wish
from ._tokens import ROLES as ROLES, Token as Token, Tokens as Tokens, Who as Who
from ._topics import Topic as Topic, Topics as Topics
from ._totals import JobState as JobState, TaskTotals as TaskTotals
