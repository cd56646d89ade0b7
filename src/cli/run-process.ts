import { openOutput, reportFailure } from './output.ts';

/** A worker or a task, as its parent starts it. */
export async function runProcess(
  command: 'worker' | 'task',
  options: { readonly manager: string; readonly storage: string },
): Promise<void> {
  try {
    if (command === 'worker') {
      const { workerCommand } = await import('./commands/worker.ts');
      process.exitCode = await workerCommand(options);
    } else {
      const { taskCommand } = await import('./commands/task.ts');
      process.exitCode = await taskCommand(options);
    }
  } catch (error) {
    process.exitCode = reportFailure(error, openOutput({}));
  }
}
