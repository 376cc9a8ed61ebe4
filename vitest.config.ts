import { defineConfig } from 'vitest/config'

// Folders whose code does no I/O. Their tests share a process, which loads the code once and not once per file.
const pureOfPipeline = 'core|flow|memory|simulate'
const pure = ['{schemas,rating}/**/*.test.ts', `pipeline/@(${pureOfPipeline})/**/*.test.ts`]

// In these folders too, and yet they start a server or the engine of ClickHouse.
const exceptions = [
  'schemas/identifiers-document.test.ts',
  'schemas/arrow/arrow-rows.test.ts',
  'pipeline/core/rows/rated-usage-clickhouse.test.ts',
  'pipeline/flow/flow-control.test.ts',
]
const started = [
  '{sinks,bench,deploy}/**/*.test.ts',
  'pipeline/*.test.ts',
  `pipeline/!(${pureOfPipeline})/**/*.test.ts`,
  ...exceptions,
]

// Forked processes, because chDB crashes in worker threads.
const common = { pool: 'forks', testTimeout: 60_000, hookTimeout: 120_000 } as const

export default defineConfig({
  test: {
    // Three at a time for two cores: started servers mostly wait. Not in `common`, where it would win over --maxWorkers.
    maxWorkers: 3,
    reporters: ['default', 'json'],
    outputFile: { json: '.cache/test-results.json' },
    projects: [
      { test: { ...common, name: 'started', include: started } },
      { test: { ...common, name: 'pure', include: pure, exclude: exceptions, isolate: false } },
    ],
  },
})
