-- The newest events of a whole account, for the console's page of events.

CREATE INDEX events_by_time ON events (account_id, region, happened_at, name, number);
