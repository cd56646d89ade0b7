import { openOutput, reportFailure } from './output.ts';

/** A worker, a task, a sampling or an exporting process, as its parent starts it. */
export async function runProcess(
  command: 'worker' | 'task' | 'sample' | 'export',
  { from, storage }: { readonly from: string; readonly storage: string },
): Promise<void> {
  try {
    if (command === 'worker') {
      const { workerCommand } = await import('./commands/worker.ts');
      process.exitCode = await workerCommand({ manager: from, storage });
    } else if (command === 'export') {
      const { exportCommand } = await import('./commands/export.ts');
      process.exitCode = await exportCommand(from);
    } else if (command === 'sample') {
      const { sampleCommand } = await import('./commands/sample.ts');
      process.exitCode = await sampleCommand(from, storage);
    } else {
      const { taskCommand } = await import('./commands/task.ts');
      process.exitCode = await taskCommand({ manager: from, storage });
    }
  } catch (error) {
    process.exitCode = reportFailure(error, openOutput({}));
  }
}
