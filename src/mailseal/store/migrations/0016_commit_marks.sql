-- On PostgreSQL: the last transaction of each connection, so that one whose COMMIT got no answer can be told from
-- one that never was.

CREATE TABLE commit_marks (
    lane TEXT NOT NULL PRIMARY KEY,
    mark BIGINT NOT NULL,
    made_at BIGINT NOT NULL
);
