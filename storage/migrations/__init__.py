"""The schema as numbered SQL files, applied in order, forward only; a file that was released never changes."""
