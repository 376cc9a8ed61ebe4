import { relative } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// Files that need a process of their own: the engine of ClickHouse runs in it, which opens one folder per process; or the test
// starts, kills and measures for minutes, and would take others with it; or it puts another module in the place of one that
// others have loaded.
const alone = [
  'sinks/http/api.test.ts',
  'sinks/files/sink.test.ts',
  'sinks/clickhouse/row-figures.test.ts',
  'schemas/arrow/arrow-rows.test.ts',
  'bench/**/*.test.ts',
  'pipeline/testing/{faults,tour,openapi,story}/**/*.test.ts',
  'pipeline/connections/kill-nine.test.ts',
]

const all = ['{schemas,rating,sinks,pipeline,deploy}/**/*.test.ts']

// What takes longest, the longest first: run last, one of them would keep a single core busy at the end.
const longest = [
  'pipeline/testing/tour/',
  'pipeline/testing/story/',
  'pipeline/testing/prices/',
  'pipeline/testing/faults/replay.',
  'pipeline/testing/faults/',
  'pipeline/connections/kill-nine.',
  'pipeline/testing/openapi/',
  'bench/',
  'pipeline/simulate/oracle.',
  'pipeline/exceptions/',
  'pipeline/approvals/',
  'pipeline/reconcile/',
  'pipeline/flow/flow-control.',
  'pipeline/explain/',
  'pipeline/publisher/faults.',
  'pipeline/broker/bulk-transport.',
  'pipeline/gateway/faults.',
  'pipeline/engine/faults.',
  'pipeline/servers/',
  'pipeline/demo/',
  'pipeline/cli/',
  'schemas/event/hash-quality.',
  'pipeline/core/usage/place-usage.',
  'pipeline/simulate/golden.',
]

/** The longest files first; within a rank as Vitest has them, and files that share a process after all others. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rankOf = ({ moduleId, project }: TestSpecification): number => {
      const file = relative(project.config.root, moduleId)
      const rank = longest.findIndex(start => file.startsWith(start))
      return (project.config.isolate ? 0 : 1_000) + (rank === -1 ? longest.length : rank)
    }
    const sorted = await super.sort(files)
    return sorted.sort((a, b) => rankOf(a) - rankOf(b))
  }
}

// Forked processes, because chDB crashes in worker threads.
const common = { pool: 'forks', testTimeout: 60_000, hookTimeout: 120_000 } as const

export default defineConfig({
  test: {
    // Three at a time for two cores: started servers mostly wait. Not in `common`, where it would win over --maxWorkers.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    reporters: ['default', 'json'],
    outputFile: { json: '.cache/test-results.json' },
    projects: [
      { test: { ...common, name: 'alone', include: alone } },
      // They share a process, which loads the code once and not once per file.
      { test: { ...common, name: 'together', include: all, exclude: alone, isolate: false } },
    ],
  },
})
