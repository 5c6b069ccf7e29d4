-- Events are found by when they occurred, acts by correlation id and by the kind of actor.

CREATE INDEX modlog_acts_correlation ON modlog_acts (correlation_id, number)
WHERE correlation_id IS NOT NULL;
-- Each entry ends with the number as it is.
CREATE INDEX modlog_acts_kind ON modlog_acts (actor_kind);

-- Events that occurred when they were recorded are a range of the log, and need no index.
CREATE INDEX modlog_events_occurred ON modlog_events (occurred_at) WHERE occurred_at IS NOT NULL;
