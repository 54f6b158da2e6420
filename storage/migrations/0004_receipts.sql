-- What was answered to commands that may be said again: repeated, they get the same answer.

CREATE TABLE receipts (
    namespace TEXT NOT NULL,
    fence TEXT NOT NULL,
    seq INTEGER NOT NULL,
    part INTEGER NOT NULL,
    run TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (namespace, fence, seq, part),
    FOREIGN KEY (namespace, run) REFERENCES runs ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX receipts_by_run ON receipts (namespace, run);
