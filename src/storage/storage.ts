/**
 * Where bytes live. A storage has a root that whoever uses it may see at another place (a worker's mount); keys are
 * relative to it, `/`-separated, never start with `/` and never contain `.` or `..` segments.
 *
 * All failures are `Failure` with DISK_FULL, STORAGE_FAILED, SOURCE_NOT_FOUND or SOURCE_UNREADABLE.
 */
export interface Storage {
  /** Key of a path as the manager's machine sees it. Throws STORAGE_FAILED for a path outside the root. */
  keyOf(absolutePath: string): string;
  /**
   * Path of the object on this machine's disk, for engines that open files by name. An object store brings the bytes
   * here first. The file must not be written through it.
   */
  localPath(key: string): Promise<string>;
  stat(key: string): Promise<ObjectStat | null>;
  read(key: string): Promise<Uint8Array>;
  /** Keys of all objects below a prefix, in byte order. */
  list(prefix: string): AsyncIterable<string>;
  /**
   * Begins an immutable object: write to `path`, then `seal`. Nothing is visible under the key before `seal`.
   */
  stage(key: string): Promise<StagedObject>;
  /**
   * Puts an object under another key too, by a link or a copy: each stays when the other is removed. Durable when the
   * promise resolves; safe to repeat. Fails with SOURCE_NOT_FOUND.
   */
  link(from: string, to: string): Promise<SealedObject>;
  /** Removes an object or everything below a prefix; what is not there is no error. */
  remove(key: string): Promise<void>;
}

export interface ObjectStat {
  readonly sizeBytes: number;
  readonly mtimeNs: string;
}

export interface StagedObject {
  /** Local path to write to; does not exist yet. */
  readonly path: string;
  /**
   * Makes the object durable and visible under its key: when the promise resolves, bytes and name survive a power loss.
   * An object that is there already with the same content is accepted (a repeated seal), with another it is STORAGE_FAILED.
   */
  seal(): Promise<SealedObject>;
  discard(): Promise<void>;
}

export interface SealedObject {
  readonly sizeBytes: number;
  readonly sha256: string;
}
