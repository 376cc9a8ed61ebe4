// The job of a rebuild, table by table: make a new one beside, fill it, exchange the names, drop the old one.
// Invariant: the position says all; a step that is made again repeats inserts under the same names, and exchanges once.

import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { isSame, noFigures } from '../../schemas/rows/row-figures.js'
import { RowsFolder } from '../../sinks/clickhouse/rows-folder.js'
import type { FeatureParts } from '../feature/feature.js'
import { JobFailure, type JobKind, type StepOutcome } from '../jobs/job-kind.js'
import type { JobRecord } from '../jobs/job-record.js'
import { type FillParts, fill, usualSpan } from './fill.js'
import { cutsOf, type LedgerStart, ledgerStart, wholeCommits } from './ledger-start.js'
import { reportOf, type TableReport, tableReportSchema } from './rebuild-report.js'
import {
  createBeside,
  dropBeside,
  figuresByPartition,
  newName,
  type RebuiltTable,
  rebuiltTables,
} from './rebuilt-table.js'
import { recordOf, setHeldBy, switchTables } from './switch-tables.js'

export const rebuildKindName = 'rebuild'

export const rebuildRequestSchema = z.object({ tables: z.array(z.string()) })

const count = z.int().nonnegative()
const figures = z.object({ rows: count, checksum: z.string(), sums: z.record(z.string(), z.string()) })
const headsSchema = z.record(z.string(), z.object({ seq: count, epoch: count, commit: count }))
const positionSchema = z.object({
  done: z.array(tableReportSchema),
  /** Of the table under way; null: it has not begun. */
  at: z
    .object({
      phase: z.enum(['fill', 'switch']),
      /** The stream up to which the new table is filled before the exchange. */
      until: count,
      filled: z.object({ next: count, heads: headsSchema, figures }),
    })
    .nullable(),
})
export type RebuildPosition = z.infer<typeof positionSchema>
type At = NonNullable<RebuildPosition['at']>

type Parts = Pick<
  FeatureParts,
  'audit' | 'buckets' | 'clickhouse' | 'config' | 'feeds' | 'js' | 'jsm' | 'queries'
>

/** A step fills for about so long, so that a pause need not wait. */
const stepMs = 2_000
/** What may be left to be read while the feed stands still. */
const mostMissing = 100

export function rebuildKind(parts: Parts): JobKind {
  const folder = new RowsFolder(parts.clickhouse)
  return {
    kind: rebuildKindName,
    step: (job, signal) => new RebuildStep(parts, folder, job, signal).run(),
    report: async job => reportOf(requestOf(job).tables, positionOf(job)),
  }
}

export function requestOf(job: JobRecord) {
  return rebuildRequestSchema.parse(job.request)
}

export function positionOf(job: JobRecord): RebuildPosition {
  return job.position === null ? { done: [], at: null } : positionSchema.parse(job.position)
}

/** For jobs that were cancelled while no process worked on them: the feeds go on (switch-tables.ts). */
export async function freeFeeds({ feeds, buckets }: Parts, jobs: readonly JobRecord[]): Promise<void> {
  for (const job of jobs) {
    if (job.kind !== rebuildKindName || job.state !== 'cancelled') continue
    const { at, done } = positionOf(job)
    const name = requestOf(job).tables[done.length]
    const of = rebuiltTables(feeds).find(({ table }) => table.name === name)
    if (at?.phase === 'switch' && of !== undefined) await setHeldBy(buckets.sinks, of.feed.key, undefined)
  }
}

class RebuildStep {
  readonly #parts: Parts
  readonly #filling: FillParts
  readonly #clickhouse: ClickHouseClient
  readonly #job: JobRecord
  readonly #signal: AbortSignal
  readonly #tables: readonly string[]
  readonly #position: RebuildPosition

  constructor(parts: Parts, folder: RowsFolder, job: JobRecord, signal: AbortSignal) {
    this.#clickhouse = parts.queries
    this.#parts = parts
    this.#filling = { js: parts.js, jsm: parts.jsm, folder, clickhouse: parts.queries }
    this.#job = job
    this.#signal = signal
    this.#tables = requestOf(job).tables
    this.#position = positionOf(job)
  }

  async run(): Promise<StepOutcome> {
    const { done, at } = this.#position
    const name = this.#tables[done.length]
    if (name === undefined) return this.#outcome(this.#position)
    const of = rebuiltTables(this.#parts.feeds).find(({ table }) => table.name === name)
    if (of === undefined)
      throw new JobFailure('table_not_rebuilt', `${name} is none of the tables that are rebuilt.`)
    if (at === null) return this.#outcome({ done, at: await this.#begin(of) })
    switch (at.phase) {
      case 'fill':
        return this.#outcome({ done, at: await this.#fill(of, at) })
      case 'switch':
        return this.#outcome({ done: [...done, await this.#switch(of, at)], at: null })
      default:
        return at.phase satisfies never
    }
  }

  #outcome(position: RebuildPosition): StepOutcome {
    const [done, total] = [position.done.length, this.#tables.length]
    return { kind: done < total ? 'goes_on' : 'done', position, done, total }
  }

  async #begin(of: RebuiltTable): Promise<At> {
    const start = of.isOfLedger ? await this.#ledgerStart() : await this.#streamStart(of)
    await createBeside(this.#clickhouse, of.table.name, this.#job.job_id)
    if (start.position > 0) await this.#takeOver(of, start)
    const { position, heads } = start
    const filled = { next: position + 1, heads, figures: noFigures }
    return { phase: 'fill', until: await this.#recorded(of), filled }
  }

  #ledgerStart(): Promise<LedgerStart> {
    return ledgerStart(this.#parts.jsm, this.#parts.config.partitions)
  }

  async #streamStart({ feed, table }: RebuiltTable): Promise<LedgerStart> {
    const { state } = await this.#parts.jsm.streams.info(feed.stream)
    if (state.first_seq <= 1) return { position: 0, heads: {} }
    const detail = `${feed.stream} begins at ${state.first_seq}: what lay before it is in no other place. Restore it from a backup to rebuild ${table.name}.`
    throw new JobFailure('stream_purged', detail)
  }

  /** The rows of commits that LEDGER no longer holds, if the table that is there has just those. */
  async #takeOver({ table }: RebuiltTable, { heads, position }: LedgerStart): Promise<void> {
    const whole = await wholeCommits(this.#parts.jsm, heads, position)
    const found = await figuresByPartition(this.#clickhouse, table, table.name, cutsOf(whole))
    for (const [partition, { commit, figures: named }] of whole) {
      const [expected, there] = [named[table.name] ?? noFigures, found.get(partition) ?? noFigures]
      if (isSame(expected, there)) continue
      const detail = `LEDGER no longer holds commits up to ${commit} of partition ${partition}, and ${table.name} has ${there.rows} rows of them where ${expected.rows} were written. Restore LEDGER, or that table, from a backup.`
      throw new JobFailure('ledger_purged', detail)
    }
    await this.#clickhouse.command({
      query: `INSERT INTO ${newName(table.name)} SELECT * FROM ${table.name}
        WHERE ledger_sequence <= {cuts: Map(UInt32, UInt64)}[partition]`,
      query_params: { cuts: new Map(cutsOf(whole)) },
      clickhouse_settings: { max_partitions_per_insert_block: '0', insert_deduplicate: 0 },
    })
  }

  async #fill(of: RebuiltTable, at: At): Promise<At> {
    const endMs = performance.now() + stepMs
    const filled = await fill(
      this.#filling,
      of,
      at.filled,
      {
        jobId: this.#job.job_id,
        until: at.until,
        spanMessages: usualSpan,
        isOver: () => performance.now() >= endMs,
      },
      this.#signal,
    )
    if (filled.next > at.filled.next && filled.next <= at.until) return { ...at, filled }
    const position = await this.#recorded(of)
    if (position - Math.max(at.until, filled.next) > mostMissing) return { ...at, filled, until: position }
    return { ...at, filled, phase: 'switch' }
  }

  async #switch(of: RebuiltTable, at: At): Promise<TableReport> {
    const { name } = of.table
    const parts = { ...this.#filling, sinks: this.#parts.buckets.sinks }
    const jobId = this.#job.job_id
    const { rowsBefore, rowsAfter, differences } = await switchTables(
      parts,
      of,
      at.filled,
      jobId,
      this.#signal,
    )
    await this.#parts.audit.record({
      caller: 'process',
      act: 'table.exchanged',
      object: { kind: 'table', id: name },
      reason: `job ${this.#job.job_id}`,
      before: { rows: rowsBefore },
      after: { rows: rowsAfter },
    })
    await dropBeside(this.#clickhouse, name)
    return { table: name, rows_before: rowsBefore, rows_after: rowsAfter, differences: [...differences] }
  }

  async #recorded({ feed }: RebuiltTable): Promise<number> {
    return (await recordOf(this.#parts.buckets.sinks, feed.key))?.position ?? 0
  }
}
