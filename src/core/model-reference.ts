import { Failure } from './errors.ts';

/** What a specification's `model_id` names when it is no path: a model of the registry. */
export interface ModelReference {
  readonly name: string;
  /** Null: the bare name. */
  readonly selector: { readonly version: number } | { readonly alias: string } | null;
}

/** Whether a reference names a file: it holds a slash, or ends as files of models do. */
export function isModelPath(reference: string): boolean {
  return /[/\\]/.test(reference) || MODEL_FILE.test(reference);
}

/** `churn`, `churn@3` or `churn@champion`. Fails with MODEL_NAME. */
export function parseModelReference(reference: string): ModelReference {
  const at = reference.indexOf('@');
  const name = checkedModelName(at < 0 ? reference : reference.slice(0, at));
  if (at < 0) return { name, selector: null };
  const selector = reference.slice(at + 1);
  if (/^[1-9]\d{0,8}$/.test(selector)) return { name, selector: { version: Number(selector) } };
  refuse(
    !NAME.test(selector) || /^\d+$/.test(selector),
    `${JSON.stringify(selector)} is neither a version nor an alias of a model`,
  );
  return { name, selector: { alias: selector } };
}

/** Fails with MODEL_NAME: letters, digits, `-`, `_` and `.`, at most 100, and not like a file. */
export function checkedModelName(name: string): string {
  refuse(!NAME.test(name), `${JSON.stringify(name.slice(0, 120))} is no name of a model`);
  refuse(MODEL_FILE.test(name), `${name} reads like a file, so it cannot be the name of a model`);
  return name;
}

/** Fails with MODEL_NAME: as names of models are, but not to be mistaken for a version (`3`, `v3`, `latest`). */
export function checkedAlias(alias: string): string {
  refuse(!NAME.test(alias), `${JSON.stringify(alias.slice(0, 120))} is no name of an alias`);
  refuse(
    /^(v?\d+|latest)$/i.test(alias),
    `${alias} reads like a version, so it cannot be the name of an alias`,
  );
  return alias;
}

export function modelReferenceText({ name, selector }: ModelReference): string {
  if (selector === null) return name;
  return 'version' in selector ? `${name}@${selector.version}` : `${name}@${selector.alias}`;
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;
const MODEL_FILE =
  /\.(onnx|ort|pkl|pickle|joblib|pt|pth|pb|h5|keras|tflite|safetensors|pmml|json|ya?ml|zip|tar|gz)$/i;

function refuse(bad: boolean, what: string): void {
  if (bad) throw new Failure('MODEL_NAME', `${what}.`, { place: { field: 'model' } });
}
