import { defineConfig } from 'vitest/config'

// Forked processes, because chDB crashes in worker threads. Two at a time: the tests start real servers.
export default defineConfig({
  test: {
    include: ['{schemas,rating,sinks,pipeline,bench,deploy}/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ['default', 'json'],
    outputFile: { json: '.cache/test-results.json' },
  },
})
