/**
 * Entry of the program. Workers and tasks, which are started often and by machines, go straight to their command; people
 * get the command line with its help, suggestions and flags.
 */
import { enableCompileCache } from 'node:module';

// Compiled code (and from source, stripped types) is kept between runs: it halves the start.
enableCompileCache();

const [command, flag, from, storageFlag, storage, ...rest] = process.argv.slice(2);
const plain = storageFlag === '--storage' && rest.length === 0 && from !== undefined && storage !== undefined;

if (plain && flag === '--manager' && (command === 'worker' || command === 'task')) {
  const { runProcess } = await import('./run-process.ts');
  await runProcess(command, { from, storage });
} else if (plain && flag === '--request' && (command === 'sample' || command === 'export')) {
  const { runProcess } = await import('./run-process.ts');
  await runProcess(command, { from, storage });
} else {
  const { runCommandLine } = await import('./command-line.ts');
  await runCommandLine();
}
