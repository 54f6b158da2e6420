"""The spawner's own process: starts, watches and ends the processes of one engine.

It is loaded on its own, as the top-level package ``_callboard_helper``, so that nothing of
callboard's (anyio, attrs …) is imported into a process whose one virtue is that it forks quickly.
Hence: standard library only, relative imports only, and no thread ever.  The engine's side imports
``wire`` and ``procfs`` from here and nothing else.
"""
