"""A worker: claims tasks of a server over HTTP and does them with callboard's own executors."""

from __future__ import annotations

from ._functions import labelled as labelled
from ._worker import Wishes as Wishes, Worker as Worker
