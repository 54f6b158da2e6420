-- What is remembered beside runs; and runs belong to jobs.

CREATE TABLE records (
    namespace TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    parent TEXT,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    changed_at REAL NOT NULL,
    PRIMARY KEY (namespace, kind, id)
) STRICT;

CREATE INDEX records_by_parent ON records (namespace, kind, parent, id) WHERE parent IS NOT NULL;

ALTER TABLE runs ADD COLUMN job TEXT;

-- A run's topic and job never change: only the creation of a run writes these.
CREATE INDEX runs_by_topic ON runs (namespace, topic, created_at) WHERE topic IS NOT NULL;
CREATE INDEX runs_by_job ON runs (namespace, job, created_at) WHERE job IS NOT NULL;
