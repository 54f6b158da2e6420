"""Definition files: YAML and JSON read into workflows, all errors said at once."""

from __future__ import annotations

from ._durations import parse_duration as parse_duration
from ._expressions import Expressions as Expressions
from ._files import DEFINITION_ENDINGS as DEFINITION_ENDINGS
from ._format import build_schema as build_schema
from ._inputs import check_inputs as check_inputs, parse_input_text as parse_input_text
from ._loader import load_file as load_file, loads as loads
from ._one_task import read_task as read_task
from ._scope import ExpressionError as ExpressionError, Scope as Scope
from ._summary import (
    Summary as Summary,
    lonely_tasks as lonely_tasks,
    separate_parts as separate_parts,
    summarise as summarise,
)
