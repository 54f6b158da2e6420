-- Everything a store remembers.  ``namespace`` keeps apart who shares a file.

CREATE TABLE schema_version (
    version INTEGER PRIMARY KEY,
    applied_at REAL NOT NULL
) STRICT;

CREATE TABLE workflows (
    namespace TEXT NOT NULL,
    hash TEXT NOT NULL,
    spec TEXT NOT NULL,
    PRIMARY KEY (namespace, hash)
) STRICT;

CREATE TABLE blobs (
    namespace TEXT NOT NULL,
    hash TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (namespace, hash)
) STRICT;

CREATE TABLE engines (
    namespace TEXT NOT NULL,
    id TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_at REAL NOT NULL,
    PRIMARY KEY (namespace, id)
) STRICT;

CREATE TABLE runs (
    namespace TEXT NOT NULL,
    run TEXT NOT NULL,
    workflow TEXT NOT NULL,
    state TEXT NOT NULL,
    paused INTEGER NOT NULL,
    reason TEXT,
    topic TEXT,
    parent_run TEXT,
    parent_task TEXT,
    created_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL,
    owner TEXT,
    version INTEGER NOT NULL,
    PRIMARY KEY (namespace, run)
) STRICT;

CREATE INDEX runs_by_age ON runs (namespace, created_at);
CREATE INDEX runs_unfinished ON runs (namespace, created_at) WHERE state IN ('pending', 'running');
CREATE INDEX runs_by_owner ON runs (namespace, owner) WHERE owner IS NOT NULL;

-- In order of creation by rowid: replacing a row keeps it.
CREATE TABLE tasks (
    namespace TEXT NOT NULL,
    run TEXT NOT NULL,
    task TEXT NOT NULL,
    label TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    generation INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    fence TEXT,
    worker TEXT,
    pool TEXT,
    priority INTEGER NOT NULL,
    reason TEXT,
    changed_at REAL NOT NULL,
    PRIMARY KEY (namespace, run, task),
    FOREIGN KEY (namespace, run) REFERENCES runs ON DELETE CASCADE
) STRICT;

CREATE INDEX tasks_running ON tasks (namespace) WHERE state = 'running';

-- ``refs`` says which fields of the body stand elsewhere: {field: hash in blobs, or in workflows for a spec}.
CREATE TABLE events (
    namespace TEXT NOT NULL,
    run TEXT NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    refs TEXT,
    PRIMARY KEY (namespace, run, number),
    FOREIGN KEY (namespace, run) REFERENCES runs ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE logs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    run TEXT NOT NULL,
    task TEXT NOT NULL,
    generation INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at REAL NOT NULL,
    stream TEXT NOT NULL,
    text TEXT NOT NULL,
    data TEXT
) STRICT;

CREATE INDEX logs_by_run ON logs (namespace, run, number);

CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    run TEXT NOT NULL,
    command TEXT NOT NULL,
    posted_by TEXT,
    answer TEXT,
    FOREIGN KEY (namespace, run) REFERENCES runs ON DELETE CASCADE
) STRICT;

CREATE INDEX inbox_open ON inbox (namespace, run) WHERE answer IS NULL;

CREATE TABLE pool_leases (
    namespace TEXT NOT NULL,
    fence TEXT NOT NULL,
    pool TEXT NOT NULL,
    run TEXT NOT NULL,
    task TEXT NOT NULL,
    engine TEXT NOT NULL,
    PRIMARY KEY (namespace, fence)
) STRICT;

CREATE INDEX pool_leases_by_pool ON pool_leases (namespace, pool);
