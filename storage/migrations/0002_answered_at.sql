-- When a command was answered: what nobody waits for any more is removed.  What was answered before this is old.

ALTER TABLE inbox ADD COLUMN answered_at REAL NOT NULL DEFAULT 0;

CREATE INDEX inbox_answered ON inbox (namespace, answered_at) WHERE answer IS NOT NULL;
