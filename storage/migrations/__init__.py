"""The schema as numbered SQL files, applied in order, forward only; none changes once released."""
