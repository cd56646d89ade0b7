CREATE TABLE api_key (
  prefix      TEXT NOT NULL PRIMARY KEY,
  tenant      TEXT NOT NULL,
  name        TEXT NOT NULL,
  role        TEXT NOT NULL CHECK (role IN ('admin', 'submitter', 'reader')),
  sha256      TEXT NOT NULL CHECK (length(sha256) = 64),
  created_ms  REAL NOT NULL,
  created_by  TEXT NOT NULL,
  expires_ms  REAL,
  revoked_ms  REAL,
  revoked_by  TEXT,
  replaced_by TEXT,
  CHECK ((revoked_ms IS NULL) = (revoked_by IS NULL))
) STRICT;

CREATE TABLE audit_entry (
  seq     INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms   REAL    NOT NULL,
  tenant  TEXT    NOT NULL,
  actor   TEXT    NOT NULL,
  action  TEXT    NOT NULL,
  target  TEXT    NOT NULL,
  status  INTEGER NOT NULL,
  code    TEXT
) STRICT;

CREATE TABLE event (
  tenant TEXT    NOT NULL,
  job_id TEXT    NOT NULL,
  seq    INTEGER NOT NULL,
  at_ms  REAL    NOT NULL,
  type   TEXT    NOT NULL,
  data   TEXT    NOT NULL,
  PRIMARY KEY (tenant, job_id, seq),
  FOREIGN KEY (tenant, job_id) REFERENCES job (tenant, job_id)
) STRICT;

CREATE TABLE job (
  tenant           TEXT    NOT NULL,
  job_id           TEXT    NOT NULL,
  name             TEXT    NOT NULL,
  owner            TEXT,
  state            TEXT    NOT NULL CHECK (state IN ('submitted', 'preparing', 'running', 'completing', 'completed', 'failed', 'cancelled')),
  identity         TEXT    NOT NULL,
  destination      TEXT    NOT NULL,
  spec             TEXT    NOT NULL,
  model_sha256     TEXT    NOT NULL,
  retry_count      INTEGER NOT NULL CHECK (retry_count >= 0),
  error_budget     TEXT    NOT NULL,
  reject_limit     INTEGER CHECK (reject_limit >= 0),
  keep_staging_ms  REAL    NOT NULL,
  bound            TEXT,
  total_rows       INTEGER CHECK (total_rows >= 0),
  rows_read        INTEGER NOT NULL DEFAULT 0,
  rows_scored      INTEGER NOT NULL DEFAULT 0,
  rows_rejected    INTEGER NOT NULL DEFAULT 0,
  rows_filtered    INTEGER NOT NULL DEFAULT 0,
  shards_total     INTEGER NOT NULL DEFAULT 0,
  shards_accepted  INTEGER NOT NULL DEFAULT 0,
  next_shard_id    INTEGER NOT NULL DEFAULT 0,
  retries          INTEGER NOT NULL DEFAULT 0,
  resumes          INTEGER NOT NULL DEFAULT 0,
  read_ms          REAL    NOT NULL DEFAULT 0,
  model_ms         REAL    NOT NULL DEFAULT 0,
  write_ms         REAL    NOT NULL DEFAULT 0,
  error            TEXT,
  checks           TEXT,
  published        TEXT,
  state_times      TEXT    NOT NULL,
  created_ms       REAL    NOT NULL,
  ended_ms         REAL,
  cleaned_ms       REAL,
  first_claim_ms   REAL,
  last_complete_ms REAL,
  task_fence       INTEGER NOT NULL DEFAULT 0,
  task_kind        TEXT    CHECK (task_kind IN ('pin', 'audit', 'publish')),
  task_worker      TEXT,
  task_request_id  TEXT,
  task_until       REAL,
  task_not_before  REAL,
  task_failures    INTEGER NOT NULL DEFAULT 0,
  planned_fence    INTEGER,
  audited_fence    INTEGER,
  published_fence  INTEGER, retry_of TEXT,
  PRIMARY KEY (tenant, job_id),
  CHECK (rows_scored >= 0 AND rows_rejected >= 0 AND rows_filtered >= 0),
  CHECK (rows_read = rows_scored + rows_rejected + rows_filtered),
  CHECK (rows_read <= COALESCE(total_rows, 0)),
  CHECK (shards_accepted <= shards_total),
  CHECK ((state IN ('completed', 'failed', 'cancelled')) = (ended_ms IS NOT NULL)),
  CHECK ((state = 'failed') = (error IS NOT NULL)),
  CHECK ((state = 'completed') = (published IS NOT NULL)),
  CHECK (state NOT IN ('completing', 'completed') OR (rows_read = total_rows AND shards_accepted = shards_total)),
  CHECK (state NOT IN ('running', 'completing', 'completed') OR planned_fence IS NOT NULL),
  CHECK (state <> 'completed' OR audited_fence IS NOT NULL),
  CHECK (state <> 'cancelled' OR audited_fence IS NULL),
  CHECK (state IN ('completing', 'completed', 'failed') OR audited_fence IS NULL),
  CHECK ((task_kind IS NULL) = (task_worker IS NULL)),
  CHECK ((task_kind IS NULL) = (task_request_id IS NULL)),
  CHECK ((task_kind IS NULL) = (task_until IS NULL)),
  CHECK (task_kind IS NULL OR state IN ('preparing', 'completing')),
  CHECK (cleaned_ms IS NULL OR ended_ms IS NOT NULL)
) STRICT;

CREATE TABLE job_model (
  tenant  TEXT    NOT NULL,
  job_id  TEXT    NOT NULL,
  name    TEXT    NOT NULL,
  version INTEGER NOT NULL,
  alias   TEXT,
  PRIMARY KEY (tenant, job_id),
  FOREIGN KEY (tenant, job_id) REFERENCES job (tenant, job_id),
  FOREIGN KEY (tenant, name, version) REFERENCES model_version (tenant, name, version)
) STRICT;

CREATE TABLE model_alias (
  tenant  TEXT    NOT NULL,
  name    TEXT    NOT NULL,
  alias   TEXT    NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (tenant, name, alias),
  FOREIGN KEY (tenant, name, version) REFERENCES model_version (tenant, name, version)
) STRICT;

CREATE TABLE model_alias_move (
  tenant       TEXT    NOT NULL,
  name         TEXT    NOT NULL,
  seq          INTEGER NOT NULL,
  alias        TEXT    NOT NULL,
  from_version INTEGER,
  to_version   INTEGER,
  at_ms        REAL    NOT NULL,
  moved_by     TEXT,
  PRIMARY KEY (tenant, name, seq),
  CHECK (from_version IS NOT to_version)
) STRICT;

CREATE TABLE model_version (
  tenant      TEXT    NOT NULL,
  name        TEXT    NOT NULL,
  version     INTEGER NOT NULL CHECK (version >= 1),
  fingerprint TEXT    NOT NULL,
  folder      TEXT    NOT NULL,
  size_bytes  INTEGER NOT NULL CHECK (size_bytes >= 0),
  record      TEXT    NOT NULL,
  created_ms  REAL    NOT NULL,
  created_by  TEXT,
  removed_ms  REAL,
  removed_by  TEXT,
  bytes_gone_ms REAL,
  PRIMARY KEY (tenant, name, version),
  CHECK (removed_ms IS NOT NULL OR removed_by IS NULL),
  CHECK (removed_ms IS NOT NULL OR bytes_gone_ms IS NULL)
) STRICT;

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

CREATE TABLE shard (
  tenant            TEXT    NOT NULL,
  job_id            TEXT    NOT NULL,
  shard_id          INTEGER NOT NULL CHECK (shard_id >= 0),
  split_from        INTEGER,
  row_start         INTEGER NOT NULL CHECK (row_start >= 0),
  row_end           INTEGER NOT NULL,
  state             TEXT    NOT NULL CHECK (state IN ('ready', 'leased', 'accepted', 'split')),
  attempt           INTEGER NOT NULL CHECK (attempt >= 0),
  failures          INTEGER NOT NULL DEFAULT 0,
  deaths            INTEGER NOT NULL DEFAULT 0,
  careful           INTEGER NOT NULL DEFAULT 0 CHECK (careful IN (0, 1)),
  condemned         TEXT,
  not_before        REAL,
  worker            TEXT,
  request_id        TEXT,
  lease_until       REAL,
  suspect_start     INTEGER,
  suspect_end       INTEGER,
  progress_rows     INTEGER NOT NULL DEFAULT 0,
  progress_rejected INTEGER NOT NULL DEFAULT 0,
  rows_read         INTEGER,
  rows_scored       INTEGER,
  rows_rejected     INTEGER,
  rows_filtered     INTEGER,
  part              TEXT,
  rejects           TEXT,
  PRIMARY KEY (tenant, job_id, shard_id),
  FOREIGN KEY (tenant, job_id) REFERENCES job (tenant, job_id),
  CHECK (row_start < row_end),
  CHECK (state <> 'leased' OR attempt > 0),
  CHECK ((state = 'leased') = (worker IS NOT NULL)),
  CHECK ((state = 'leased') = (request_id IS NOT NULL)),
  CHECK ((state = 'leased') = (lease_until IS NOT NULL)),
  CHECK ((suspect_start IS NULL) = (suspect_end IS NULL)),
  CHECK (suspect_start IS NULL OR (state = 'leased' AND row_start <= suspect_start AND suspect_start < suspect_end AND suspect_end <= row_end)),
  CHECK (condemned IS NULL OR (careful = 1 AND row_end = row_start + 1)),
  CHECK ((state = 'accepted') = (rows_read IS NOT NULL)),
  CHECK (state <> 'accepted' OR (rows_scored IS NOT NULL AND rows_rejected IS NOT NULL AND rows_filtered IS NOT NULL)),
  CHECK (rows_scored >= 0 AND rows_rejected >= 0 AND rows_filtered >= 0),
  CHECK (rows_read = row_end - row_start AND rows_read = rows_scored + rows_rejected + rows_filtered),
  CHECK (state = 'accepted' OR (part IS NULL AND rejects IS NULL)),
  CHECK (state <> 'accepted' OR ((part IS NOT NULL OR rows_scored = 0) AND (rejects IS NOT NULL OR rows_rejected = 0)))
) STRICT;

CREATE TABLE snapshot (
  tenant  TEXT    NOT NULL,
  job_id  TEXT    NOT NULL,
  rows    INTEGER NOT NULL CHECK (rows >= 0),
  columns TEXT    NOT NULL, prepared TEXT,
  PRIMARY KEY (tenant, job_id),
  FOREIGN KEY (tenant, job_id) REFERENCES job (tenant, job_id)
) STRICT;

CREATE TABLE snapshot_file (
  tenant        TEXT    NOT NULL,
  job_id        TEXT    NOT NULL,
  position      INTEGER NOT NULL CHECK (position >= 0),
  key           TEXT    NOT NULL,
  size_bytes    INTEGER NOT NULL,
  mtime_ns      TEXT    NOT NULL,
  footer_sha256 TEXT    NOT NULL,
  rows          INTEGER NOT NULL CHECK (rows >= 0),
  row_groups    TEXT    NOT NULL, original_file TEXT, partition_values TEXT,
  PRIMARY KEY (tenant, job_id, position),
  FOREIGN KEY (tenant, job_id) REFERENCES snapshot (tenant, job_id)
) STRICT;

CREATE TABLE submission (
  tenant          TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  body_sha256     TEXT NOT NULL,
  answer          TEXT NOT NULL,
  at_ms           REAL NOT NULL,
  PRIMARY KEY (tenant, idempotency_key)
) STRICT;

CREATE INDEX api_keys_by_tenant ON api_key (tenant, created_ms);

CREATE TRIGGER api_key_is_immutable
BEFORE UPDATE OF prefix, tenant, name, role, sha256, created_ms, created_by ON api_key
BEGIN SELECT RAISE(ABORT, 'a key never changes what it allows'); END;

CREATE TRIGGER api_key_stays BEFORE DELETE ON api_key
BEGIN SELECT RAISE(ABORT, 'a key stays on record'); END;

CREATE TRIGGER revoked_api_key_stays_revoked
BEFORE UPDATE OF revoked_ms, revoked_by ON api_key WHEN OLD.revoked_ms IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a revoked key stays revoked'); END;

CREATE INDEX audit_by_tenant ON audit_entry (tenant, seq);

CREATE TRIGGER audit_entry_is_immutable BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'what was done stays done'); END;

CREATE INDEX completed_jobs_by_model ON job (tenant, model_sha256, ended_ms) WHERE state = 'completed';

CREATE INDEX jobs_by_age ON job (tenant, created_ms);

CREATE INDEX jobs_by_retry ON job (tenant, retry_of) WHERE retry_of IS NOT NULL;

CREATE UNIQUE INDEX one_unfinished_job_per_destination ON job (tenant, destination) WHERE ended_ms IS NULL;

CREATE UNIQUE INDEX one_unfinished_job_per_identity ON job (tenant, identity) WHERE ended_ms IS NULL;

CREATE INDEX uncleaned_jobs ON job (ended_ms) WHERE ended_ms IS NOT NULL AND cleaned_ms IS NULL;

CREATE INDEX unfinished_jobs ON job (created_ms, job_id) WHERE ended_ms IS NULL;

CREATE TRIGGER retry_of_a_finished_job_is_immutable BEFORE UPDATE OF retry_of ON job WHEN OLD.ended_ms IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a finished job never changes'); END;

CREATE TRIGGER retry_of_a_job_is_immutable BEFORE UPDATE OF retry_of ON job WHEN OLD.ended_ms IS NULL
BEGIN SELECT RAISE(ABORT, 'what a job tries again never changes'); END;

CREATE TRIGGER task_fence_never_falls BEFORE UPDATE OF task_fence ON job WHEN NEW.task_fence < OLD.task_fence
BEGIN SELECT RAISE(ABORT, 'a fence never falls'); END;

CREATE TRIGGER terminal_job_is_immutable
BEFORE UPDATE OF
  tenant, job_id, name, owner, state, identity, destination, spec, model_sha256, retry_count, error_budget, reject_limit,
  keep_staging_ms, bound, total_rows, rows_read, rows_scored, rows_rejected, rows_filtered, shards_total, shards_accepted,
  next_shard_id, retries, resumes, read_ms, model_ms, write_ms, error, checks, published, state_times, created_ms, ended_ms,
  first_claim_ms, last_complete_ms, task_fence, task_kind, task_worker, task_request_id, task_until, task_not_before,
  task_failures, planned_fence, audited_fence, published_fence
ON job WHEN OLD.ended_ms IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a finished job never changes'); END;

CREATE INDEX jobs_by_model ON job_model (tenant, name, version);

CREATE TRIGGER model_of_a_job_is_immutable BEFORE UPDATE ON job_model
BEGIN SELECT RAISE(ABORT, 'the model of a job never changes'); END;

CREATE INDEX aliases_by_version ON model_alias (tenant, name, version);

CREATE INDEX model_versions_by_bytes ON model_version (tenant, folder) WHERE removed_ms IS NULL;

CREATE INDEX model_versions_that_are_there ON model_version (tenant, name, version) WHERE removed_ms IS NULL;

CREATE INDEX model_versions_to_clean ON model_version (tenant, folder) WHERE removed_ms IS NOT NULL AND bytes_gone_ms IS NULL;

CREATE UNIQUE INDEX one_version_per_fingerprint ON model_version (tenant, name, fingerprint) WHERE removed_ms IS NULL;

CREATE TRIGGER model_version_is_immutable
BEFORE UPDATE OF tenant, name, version, fingerprint, folder, size_bytes, record, created_ms, created_by ON model_version
BEGIN SELECT RAISE(ABORT, 'a version of a model never changes'); END;

CREATE TRIGGER model_version_stays BEFORE DELETE ON model_version
BEGIN SELECT RAISE(ABORT, 'a version of a model stays on record'); END;

CREATE TRIGGER removed_model_version_is_immutable
BEFORE UPDATE OF removed_ms, removed_by ON model_version WHEN OLD.removed_ms IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a removed version of a model stays removed'); END;

CREATE TRIGGER retry_base_is_immutable BEFORE UPDATE ON retry_base
BEGIN SELECT RAISE(ABORT, 'what a retry takes over never changes'); END;

CREATE INDEX leases_by_time ON shard (lease_until) WHERE state = 'leased';

CREATE INDEX leases_by_worker ON shard (worker) WHERE state = 'leased';

CREATE UNIQUE INDEX one_lease_per_request ON shard (tenant, job_id, worker, request_id) WHERE state = 'leased';

CREATE UNIQUE INDEX one_shard_per_first_row ON shard (tenant, job_id, row_start) WHERE state <> 'split';

CREATE UNIQUE INDEX one_shard_per_last_row ON shard (tenant, job_id, row_end) WHERE state <> 'split';

CREATE INDEX ready_shards ON shard (tenant, job_id, shard_id) WHERE state = 'ready';

CREATE TRIGGER attempt_never_falls BEFORE UPDATE OF attempt ON shard WHEN NEW.attempt < OLD.attempt
BEGIN SELECT RAISE(ABORT, 'an attempt never falls'); END;

CREATE TRIGGER ended_shard_is_immutable BEFORE UPDATE ON shard WHEN OLD.state IN ('accepted', 'split')
BEGIN SELECT RAISE(ABORT, 'an accepted or split shard never changes'); END;

CREATE TRIGGER ended_shard_stays BEFORE DELETE ON shard WHEN OLD.state = 'accepted'
BEGIN SELECT RAISE(ABORT, 'an accepted shard is never removed'); END;

CREATE INDEX submissions_by_age ON submission (at_ms);
