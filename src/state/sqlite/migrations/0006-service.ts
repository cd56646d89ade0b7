/**
 * API keys (of which only a digest is kept), what was done with them, and which submission an idempotency key stands for.
 * A tenant is there where a key names it.
 */
export const SERVICE = `
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

CREATE INDEX api_keys_by_tenant ON api_key (tenant, created_ms);

CREATE TRIGGER api_key_is_immutable
BEFORE UPDATE OF prefix, tenant, name, role, sha256, created_ms, created_by ON api_key
BEGIN SELECT RAISE(ABORT, 'a key never changes what it allows'); END;

CREATE TRIGGER revoked_api_key_stays_revoked
BEFORE UPDATE OF revoked_ms, revoked_by ON api_key WHEN OLD.revoked_ms IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a revoked key stays revoked'); END;

CREATE TRIGGER api_key_stays BEFORE DELETE ON api_key
BEGIN SELECT RAISE(ABORT, 'a key stays on record'); END;

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

CREATE INDEX audit_by_tenant ON audit_entry (tenant, seq);

CREATE TRIGGER audit_entry_is_immutable BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'what was done stays done'); END;

CREATE TABLE submission (
  tenant          TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  body_sha256     TEXT NOT NULL,
  answer          TEXT NOT NULL,
  at_ms           REAL NOT NULL,
  PRIMARY KEY (tenant, idempotency_key)
) STRICT;

CREATE INDEX submissions_by_age ON submission (at_ms);

CREATE INDEX completed_jobs_by_model ON job (tenant, model_sha256, ended_ms) WHERE state = 'completed';
`;
