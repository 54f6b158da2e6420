-- Which run refers to what stands apart: it is removed with the last run that does.

CREATE TABLE refs (
    namespace TEXT NOT NULL,
    hash TEXT NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (namespace, hash, run),
    FOREIGN KEY (namespace, run) REFERENCES runs ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX refs_by_run ON refs (namespace, run);

INSERT OR IGNORE INTO refs (namespace, hash, run)
SELECT events.namespace, named.value, events.run
FROM events, json_each(events.refs) AS named
WHERE events.refs IS NOT NULL;

-- What runs that were removed before have left.
DELETE FROM blobs WHERE NOT EXISTS (
    SELECT 1 FROM refs WHERE refs.namespace = blobs.namespace AND refs.hash = blobs.hash
);
DELETE FROM workflows WHERE NOT EXISTS (
    SELECT 1 FROM refs WHERE refs.namespace = workflows.namespace AND refs.hash = workflows.hash
);
