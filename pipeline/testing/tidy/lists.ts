// What the tidy tests must know besides the sources: entry points, and old exceptions that may only shrink.
// Remove a name from these lists as soon as it is fixed; add none.

/** Where a process, a thread or a package of ours begins. */
export const entryPoints: readonly string[] = [
  'pipeline/cli/weir.ts',
  'pipeline/publisher/usage-publisher.ts',
  'pipeline/workers/worker.ts',
  'pipeline/shadow/shadow-worker.ts',
  'deploy/embedded/clickhouse/child.ts',
  'bench/floor/floor-worker.ts',
  'bench/workload/producer-child.ts',
  // For kinds whose receiver gives a refresh token; no kind that is built has one yet.
  'sinks/oauth/refresh-tokens.ts',
  // Programs for developers: they write files of the repository anew.
  'schemas/json-schema/write-json-schemas.ts',
  'schemas/money/write-currency-table.ts',
]

/** Processes that only tests start. */
export const testEntryPoints: readonly string[] = [
  'pipeline/testing/connector-faults/main.ts',
  'pipeline/testing/story/main.ts',
  'pipeline/testing/connector-faults/shorter-waits.ts',
  'pipeline/testing/engine-child.ts',
  'pipeline/deliver/testing/delivery-child.ts',
  'pipeline/testing/publisher-crash-child.ts',
  'sinks/testing/fake-main.ts',
]

/** Files that run only in a checkout and may use packages that are not installed with Weir. */
export const developersFiles: ReadonlySet<string> = new Set([
  'bench/postgres/peer.ts',
  'bench/postgres/postgres-server.ts',
  'schemas/money/write-currency-table.ts',
])

/** Names in comments and pages that look like our files but are not. */
export const namesOfOthers: ReadonlySet<string> = new Set([
  'x.test.ts',
  // The model that docs/adding-a-price-model.md makes up.
  'schemas/catalog/models/capped.ts',
  'rating/models/capped/model.ts',
  'rating/models/capped/testing/arbitrary.ts',
  'rating/golden/price-models/capped.json',
])

/**
 * Folders with one sub-folder per kind, all alike: their README describes the files inside the sub-folders.
 */
export const foldersOfOneKind: readonly string[] = ['rating/models']

interface Word {
  readonly word: RegExp
  readonly where: 'code' | 'comments'
  /** How often it stands there today. At 0 it is banned. */
  readonly atMost: number
}

/** Words that a reader cannot guess and that are being removed. */
export const wordsToGo: readonly Word[] = [
  { word: /\bGround\b/, where: 'code', atMost: 0 },
  { word: /\bCourse\b/, where: 'code', atMost: 0 },
  { word: /\bCommitLink\b/, where: 'code', atMost: 0 },
  { word: /\bwarmth\b/i, where: 'comments', atMost: 0 },
  { word: /\btails?\b/i, where: 'comments', atMost: 2 },
  { word: /\bbeats?\b/i, where: 'comments', atMost: 0 },
  { word: /\brooms?\b/i, where: 'comments', atMost: 36 },
  // The garbage collector of Node 20 takes the timeout away; a Deadline (sinks/deadline.ts) stays.
  { word: /AbortSignal\.any\(\[[^\]]*AbortSignal\.timeout/, where: 'code', atMost: 0 },
]

export const longFilesOfOld: ReadonlyMap<string, number> = new Map([
  ['pipeline/billing/billing-to-erp.test.ts', 621],
  ['pipeline/testing/faults/closed-doors.test.ts', 487],
])

export const longFunctionsOfOld: ReadonlyMap<string, number> = new Map([])
