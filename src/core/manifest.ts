/**
 * Names that a manifest is recognised by. It is an in-toto Statement v1 (https://in-toto.io/Statement/v1) in a DSSE
 * envelope (https://github.com/secure-systems-lab/dsse), and lies in the folder that it describes.
 */
export const MANIFEST_FILE = '_manifest.json';
export const MANIFEST_PAYLOAD_TYPE = 'application/vnd.in-toto+json';
export const MANIFEST_STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
export const MANIFEST_PREDICATE_TYPE = 'https://batchwright.dev/manifest/v1';

/** A file as it is published, below the folder of its manifest. */
export interface ManifestFile {
  /** Relative to the manifest's folder, `/`-separated. */
  readonly path: string;
  readonly kind: 'part' | 'rejects';
  /** Storage key of the accepted file that it was published from. */
  readonly key: string;
  readonly rows: number;
  readonly sizeBytes: number;
  readonly sha256: string;
}
