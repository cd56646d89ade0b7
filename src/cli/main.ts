/**
 * Entry of the program. Workers and tasks, which are started often and by machines, go straight to their command; people
 * get the command line with its help, suggestions and flags.
 */
import { enableCompileCache } from 'node:module';

// Compiled code (and from source, stripped types) is kept between runs: it halves the start.
enableCompileCache();

const [command, managerFlag, manager, storageFlag, storage, ...rest] = process.argv.slice(2);
const plain = managerFlag === '--manager' && storageFlag === '--storage' && rest.length === 0;

if (plain && (command === 'worker' || command === 'task') && manager !== undefined && storage !== undefined) {
  const { runProcess } = await import('./run-process.ts');
  await runProcess(command, { manager, storage });
} else {
  await import('./command-line.ts');
}
