/** The job that a job tries again, and what it takes over of that one's answers (counts, and the base as JSON). */
export const RETRIES = `
ALTER TABLE job ADD COLUMN retry_of TEXT;

CREATE INDEX jobs_by_retry ON job (tenant, retry_of) WHERE retry_of IS NOT NULL;

CREATE TRIGGER retry_of_a_job_is_immutable BEFORE UPDATE OF retry_of ON job WHEN OLD.ended_ms IS NULL
BEGIN SELECT RAISE(ABORT, 'what a job tries again never changes'); END;

CREATE TRIGGER retry_of_a_finished_job_is_immutable BEFORE UPDATE OF retry_of ON job WHEN OLD.ended_ms IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a finished job never changes'); END;

CREATE TABLE retry_base (
  tenant        TEXT    NOT NULL,
  job_id        TEXT    NOT NULL,
  rows_read     INTEGER NOT NULL,
  rows_scored   INTEGER NOT NULL,
  rows_rejected INTEGER NOT NULL,
  rows_filtered INTEGER NOT NULL,
  base          TEXT    NOT NULL,
  PRIMARY KEY (tenant, job_id),
  FOREIGN KEY (tenant, job_id) REFERENCES job (tenant, job_id),
  CHECK (rows_scored >= 0 AND rows_rejected >= 0 AND rows_filtered >= 0),
  CHECK (rows_read = rows_scored + rows_rejected + rows_filtered)
) STRICT;

CREATE TRIGGER retry_base_is_immutable BEFORE UPDATE ON retry_base
BEGIN SELECT RAISE(ABORT, 'what a retry takes over never changes'); END;
`;
