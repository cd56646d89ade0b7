import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts', 'examples/**/*.test.ts'],
    // Forks, not threads: tests load native addons, change the working folder, and kill processes.
    pool: 'forks',
    setupFiles: ['test/support/limit-properties.ts'],
    // Tests that start processes share two cores with the test files beside them.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
