// What the tidy tests know beside the sources: where programs begin, and what is of old and may only shrink.
// A name goes from these lists as soon as it is mended; none is added.

/** Where a process, a thread or a package of ours begins. */
export const entryPoints: readonly string[] = [
  'pipeline/cli/weir.ts',
  'pipeline/publisher/usage-publisher.ts',
  'pipeline/workers/worker.ts',
  'deploy/embedded/clickhouse/child.ts',
  'bench/floor/floor-worker.ts',
  'bench/workload/producer-child.ts',
  // Programs for developers: they write files of the repository anew.
  'schemas/json-schema/write-json-schemas.ts',
  'schemas/money/write-currency-table.ts',
  // Read by tests alone today; what ships will pause sinks and show rows.
  'pipeline/deliver/pause.ts',
  'schemas/rows/row-wire.ts',
]

/** Processes that only tests start. */
export const testEntryPoints: readonly string[] = [
  'pipeline/testing/engine-child.ts',
  'pipeline/testing/publisher-crash-child.ts',
]

/** What runs in a checkout alone and may use packages that are not installed with Weir. */
export const developersFiles: ReadonlySet<string> = new Set([
  'bench/postgres/peer.ts',
  'bench/postgres/postgres-server.ts',
  'schemas/money/write-currency-table.ts',
])

/** Names in comments and pages that look like files of ours and are not. */
export const namesOfOthers: ReadonlySet<string> = new Set([
  'x.test.ts',
  // The model that docs/adding-a-price-model.md makes up.
  'schemas/catalog/models/capped.ts',
  'rating/models/capped/model.ts',
  'rating/models/capped/testing/arbitrary.ts',
  'rating/golden/price-models/capped.json',
])

/** Folders with a sub-folder for each of a kind, all alike: their README tells of the files below. */
export const foldersOfOneKind: readonly string[] = ['rating/models']

interface Word {
  readonly word: RegExp
  readonly where: 'code' | 'comments'
  /** How often it stands there today. At 0 it is banned. */
  readonly atMost: number
}

/** Words that a reader cannot guess, on their way out. */
export const wordsToGo: readonly Word[] = [
  { word: /\bGround\b/, where: 'code', atMost: 0 },
  { word: /\bCourse\b/, where: 'code', atMost: 13 },
  { word: /\bCommitLink\b/, where: 'code', atMost: 25 },
  { word: /\bwarmth\b/i, where: 'comments', atMost: 0 },
  { word: /\btails?\b/i, where: 'comments', atMost: 9 },
  { word: /\bbeats?\b/i, where: 'comments', atMost: 4 },
  { word: /\brooms?\b/i, where: 'comments', atMost: 36 },
]

export const longFilesOfOld: ReadonlyMap<string, number> = new Map([
  ['pipeline/billing/billing-to-erp.test.ts', 621],
  ['pipeline/deliver/deliverer.ts', 426],
  ['pipeline/reconcile/reconcile.test.ts', 447],
  ['pipeline/testing/faults/closed-doors.test.ts', 487],
  ['schemas/tables.ts', 440],
])

export const longFunctionsOfOld: ReadonlyMap<string, number> = new Map([
  ['pipeline/reconcile/reconcile.test.ts:function', 117],
  ['sinks/testing/conformance.ts:conformanceOf', 138],
])

/** Tests that were written before every file had a header. */
export const withoutHeaderOfOld: ReadonlySet<string> = new Set([
  'deploy/embedded/clickhouse-server.test.ts',
  'deploy/embedded/clickhouse/beginning.test.ts',
  'deploy/embedded/clickhouse/statement.test.ts',
  'deploy/embedded/nats-server.test.ts',
  'pipeline/broker/bucket-keys.test.ts',
  'pipeline/broker/topology.test.ts',
  'pipeline/broker/wire-parser.test.ts',
  'pipeline/config/config.test.ts',
  'pipeline/config/limits.test.ts',
  'pipeline/core/core.test.ts',
  'pipeline/core/decode/decode.test.ts',
  'pipeline/core/decode/decompress.test.ts',
  'pipeline/core/rate/attach.test.ts',
  'pipeline/core/rate/normalize.test.ts',
  'pipeline/core/rows/rated-usage-columns.test.ts',
  'pipeline/core/scan/scanner.test.ts',
  'pipeline/core/state/charge-map.test.ts',
  'pipeline/core/state/customer-numbers.test.ts',
  'pipeline/core/state/dedupe-table.test.ts',
  'pipeline/core/state/entry-blocks.test.ts',
  'pipeline/core/state/price-book.test.ts',
  'pipeline/core/state/recent-map.test.ts',
  'pipeline/core/state/tracked-map.test.ts',
  'pipeline/deliver/range-cutter.test.ts',
  'pipeline/engine/commit-beat.test.ts',
  'pipeline/engine/input-reader.test.ts',
  'pipeline/engine/run.test.ts',
  'pipeline/gateway/admission.test.ts',
  'pipeline/gateway/api-keys.test.ts',
  'pipeline/gateway/events.test.ts',
  'pipeline/gateway/faults.test.ts',
  'pipeline/gateway/http-api.test.ts',
  'pipeline/gateway/turns.test.ts',
  'pipeline/gateway/usage-batch.test.ts',
  'pipeline/health/pressure.test.ts',
  'pipeline/health/readiness.test.ts',
  'pipeline/health/telemetry.test.ts',
  'pipeline/keys/key-routes.test.ts',
  'pipeline/ledger/commit.test.ts',
  'pipeline/memory/byte-pool.test.ts',
  'pipeline/memory/shared-memory.test.ts',
  'pipeline/publisher/spool.test.ts',
  'pipeline/reconcile/ledger-tables.test.ts',
  'pipeline/reconcile/report.test.ts',
  'pipeline/servers/state-directory.test.ts',
  'pipeline/simulate/simulate-command.test.ts',
  'pipeline/workers/pool.test.ts',
  'rating/aggregations/percentile.test.ts',
  'rating/models/linear.test.ts',
  'schemas/arrow/arrow-ipc.test.ts',
  'schemas/arrow/arrow-rows.test.ts',
  'schemas/arrow/arrow-string-dictionary.test.ts',
  'schemas/catalog/catalog-parser.test.ts',
  'schemas/catalog/catalog-properties.test.ts',
  'schemas/event/cloud-event.test.ts',
  'schemas/event/event-hash.test.ts',
  'schemas/golden.test.ts',
  'schemas/identifiers.test.ts',
  'schemas/json/json-text.test.ts',
  'schemas/lifecycle/lifecycle-event.test.ts',
  'schemas/money/currency-source.test.ts',
  'schemas/money/currency.test.ts',
  'schemas/money/decimal-words.test.ts',
  'schemas/money/decimal.test.ts',
  'schemas/source-bounds.test.ts',
  'schemas/time.test.ts',
  'schemas/usage-batch/usage-batch.test.ts',
  'sinks/clickhouse/arrow-parts.test.ts',
  'sinks/clickhouse/migrate.test.ts',
  'sinks/clickhouse/row-figures.test.ts',
  'sinks/clickhouse/rows-folder.test.ts',
  'sinks/clickhouse/sink.test.ts',
])
