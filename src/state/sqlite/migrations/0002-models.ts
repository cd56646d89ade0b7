/** The model registry: versions, aliases with their history, and which version each job uses. */
export const MODELS = `
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

CREATE UNIQUE INDEX one_version_per_fingerprint ON model_version (tenant, name, fingerprint) WHERE removed_ms IS NULL;
CREATE INDEX model_versions_that_are_there ON model_version (tenant, name, version) WHERE removed_ms IS NULL;
CREATE INDEX model_versions_by_bytes ON model_version (tenant, folder) WHERE removed_ms IS NULL;
CREATE INDEX model_versions_to_clean ON model_version (tenant, folder) WHERE removed_ms IS NOT NULL AND bytes_gone_ms IS NULL;

CREATE TRIGGER model_version_is_immutable
BEFORE UPDATE OF tenant, name, version, fingerprint, folder, size_bytes, record, created_ms, created_by ON model_version
BEGIN SELECT RAISE(ABORT, 'a version of a model never changes'); END;

CREATE TRIGGER removed_model_version_is_immutable
BEFORE UPDATE OF removed_ms, removed_by ON model_version WHEN OLD.removed_ms IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a removed version of a model stays removed'); END;

CREATE TRIGGER model_version_stays BEFORE DELETE ON model_version
BEGIN SELECT RAISE(ABORT, 'a version of a model stays on record'); END;

CREATE TABLE model_alias (
  tenant  TEXT    NOT NULL,
  name    TEXT    NOT NULL,
  alias   TEXT    NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (tenant, name, alias),
  FOREIGN KEY (tenant, name, version) REFERENCES model_version (tenant, name, version)
) STRICT;

CREATE INDEX aliases_by_version ON model_alias (tenant, name, version);

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

CREATE INDEX jobs_by_model ON job_model (tenant, name, version);

CREATE TRIGGER model_of_a_job_is_immutable BEFORE UPDATE ON job_model
BEGIN SELECT RAISE(ABORT, 'the model of a job never changes'); END;
`;
