-- Names to be published anew, numbered by the database itself: two writers at once do not wait for each other.

CREATE TABLE marked_names (
    number INTEGER PRIMARY KEY,
    owner TEXT NOT NULL UNIQUE
);

INSERT INTO marked_names (owner) SELECT owner FROM zone_marks ORDER BY number;

DROP TABLE zone_marks;
