import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '../.venv');

export type PythonEnvironment =
  | { readonly python: string }
  /** Why a test that needs Python has to be skipped here. */
  | { readonly missing: string };

/**
 * A Python that has the packages of a requirements file: a virtual environment in `.venv/<name>`, made once by pip and
 * made again when the file changes. Not for two test files at once under one name.
 */
export async function pythonEnvironment(name: string, requirementsFile: string): Promise<PythonEnvironment> {
  const folder = join(cache, name);
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const stamp = join(folder, basename(requirementsFile));
  const requirements = await readFile(requirementsFile, 'utf8');
  if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === requirements) return { python };

  await rm(folder, { recursive: true, force: true });
  await mkdir(cache, { recursive: true });
  try {
    await run('python3', ['-c', 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))']);
  } catch {
    return { missing: 'no python3 of version 3.11 or newer with venv and ensurepip' };
  }
  try {
    await run('python3', ['-m', 'venv', folder]);
    await run(python, ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', '-r', requirementsFile]);
  } catch (error) {
    return { missing: `pip could not install ${basename(requirementsFile)}: ${lastLine(error)}` };
  }
  // Last, and by a rename: an installation that was cut off is not taken for a whole one.
  await writeFile(`${stamp}.tmp`, requirements);
  await rename(`${stamp}.tmp`, stamp);
  return { python };
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  return (stderr || message).trim().split('\n').at(-1) ?? '';
}
