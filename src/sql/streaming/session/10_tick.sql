-- One row: the time of this step, and whether it repeats what was ingested before.
CREATE TEMP TABLE streamed_tick (at TIMESTAMP, is_rebuilt BOOLEAN);
