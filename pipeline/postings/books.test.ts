// The books over random months, on a real broker: what is posted balances and adds up, each deferral is released once, closed
// periods receive nothing, also when a posting and a closing race.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { recognise } from '../../rating/recognition/recognise.js'
import { calendarOf, periodOf } from '../../schemas/accounting-calendar/accounting-calendar.js'
import { type BillingBatchWire, batchToWire, sealBatch } from '../../schemas/billing/billing-batch.js'
import type { Charge } from '../../schemas/billing/charge.js'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import { formatInstant, msOf, nsOf } from '../../schemas/time.js'
import type { FeedMessage, FeedRange, Sink } from '../../sinks/sink.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { readStretch } from '../broker/read-stream.js'
import { ensureTopology } from '../broker/topology.js'
import { anybodyAllowed } from '../gateway/scopes.js'
import { Acts } from '../testing/acts.js'
import { connectTo } from '../testing/engine-harness.js'
import { type BookParts, readBook } from './book.js'
import { readCalendars } from './calendars-file.js'
import { type BlockersOf, Periods } from './periods.js'
import { createErpSink, type ErpSinkOptions } from './postings-sink.js'
import { createReleaseSink } from './release-sink.js'
import { dueIn } from './releases.js'
import {
  type Closed,
  expectPlaces,
  expectReleases,
  expectSummaries,
  expectSums,
  type Posted,
} from './testing/expect-books.js'
import {
  charge,
  cutoffs,
  linesOf,
  periodsOf as listedPeriods,
  type Months,
  months,
} from './testing/random-months.js'

const never = new AbortController().signal
const afterAllNs = nsOf(Date.UTC(2030, 0, 1))

let folder: string
let server: NatsServer
let nc: NatsConnection
let bulk: BulkTransport
let js: JetStreamClient
let jsm: JetStreamManager
let parts: BookParts
let erpFiles: Omit<ErpSinkOptions, keyof BookParts>
let erp: Sink
let releases: Sink
let entities = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-books-'))
  server = await startNatsServer({ storeDir: join(folder, 'nats') })
  ;({ nc, bulk } = await connectTo(server.login()))
  js = jetstream(nc)
  jsm = await jetstreamManager(nc)
  await ensureTopology(nc, { partitions: 1 })
  parts = { bulk, js, jsm, timeoutMs: 5_000 }
  await writeFile(
    join(folder, 'accounts.yaml'),
    `rules:
  - match: { currency: USD }
    accounts: { receivable: "1200", revenue: "4000", deferred_revenue: "2400" }
    performance_obligation: subscription
    segments: { cost_centre: "7" }
  - match: {}
    accounts: { receivable: "1210", revenue: "4010", deferred_revenue: "2410" }
    performance_obligation: subscription
rounding: { account: "6980", revenue: "4000" }
`,
  )
  const cutoffNsOf = async (runId: string) => cutoffs[Number(runId.split('_')[1])]
  erpFiles = { accountsFile: join(folder, 'accounts.yaml'), recognise, cutoffNsOf }
  erp = createErpSink({ ...parts, ...erpFiles })
  releases = createReleaseSink({ ...parts, csvDir: join(folder, 'csv'), isPosted: async () => true })
})

afterAll(async () => {
  await nc?.close()
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Publishes the batches of a run, of at most `size` lines, and returns them as a range of the feed. */
async function publish(runId: string, lines: readonly Charge[], size: number): Promise<FeedRange> {
  const messages: FeedMessage[] = []
  for (const group of new Set(lines.map(one => `${one.currency} ${one.entityId}`))) {
    const ofGroup = lines.filter(one => `${one.currency} ${one.entityId}` === group)
    const { entityId, currency } = ofGroup[0]!
    for (let from = 0, number = 1; from < ofGroup.length; from += size, number += 1) {
      const slice = ofGroup.slice(from, from + size)
      const of = Math.ceil(ofGroup.length / size)
      const batch = sealBatch({ billingRunId: runId, entityId, currency, number, of, lines: slice })
      const bytes = new TextEncoder().encode(JSON.stringify(batchToWire(batch)))
      const natsSubject = `billing.${entityId}.${runId}`
      messages.push({ sequence: (await js.publish(natsSubject, bytes)).seq, natsSubject, bytes })
    }
  }
  const [from, to] = [messages[0]?.sequence ?? 0, messages.at(-1)?.sequence ?? 0]
  return { stream: 'BILLING', from, to, token: `t${to}`, messages }
}

function order(id: string, entityId: string | null, cutoffNs: bigint): FeedRange {
  const wire = { release_id: id, until: null, cutoff: formatInstant(cutoffNs), entity_id: entityId }
  const bytes = new TextEncoder().encode(JSON.stringify({ ...wire, billing_run_id: null, after_billing: 0 }))
  const messages = [{ sequence: 1, natsSubject: 'control.release', bytes }]
  return { stream: 'CONTROL', from: 1, to: 1, token: id, messages }
}

async function postedOn(filterSubject: string): Promise<Posted[]> {
  const found: Posted[] = []
  for await (const message of readStretch(js, { stream: 'POSTINGS', filterSubject, from: 1 }, never))
    found.push({ seq: message.seq, entry: message.json<JournalEntryWire>() })
  return found
}

function periodsAt(nowNs: bigint, more: { readonly calendarsFile?: string } = {}): Periods {
  const blockers = async () => []
  return new Periods({ ...parts, ...more, audit: new Acts(), blockers, nowMs: () => msOf(nowNs) })
}

/** The calendars of two entities, and sinks that post by them. */
async function openBooks({ calendars }: Months, entityIds: readonly string[]) {
  const wire = calendars.map(({ timezone, lengths }, index) => {
    const periods = listedPeriods(lengths)
    const listed =
      periods === 'months' ? periods : periods.map(({ name: period, ...of }) => ({ period, ...of }))
    return { entity_id: entityIds[index], timezone, periods: listed }
  })
  const calendarsFile = join(folder, `${entityIds[0]}.yaml`)
  await writeFile(calendarsFile, JSON.stringify({ calendars: wire })) // which is YAML too
  return {
    calendars: await readCalendars(calendarsFile),
    erp: createErpSink({ ...parts, ...erpFiles, calendarsFile }),
    releases: createReleaseSink({ ...parts, calendarsFile, isPosted: async () => true }),
    periods: periodsAt(afterAllNs, { calendarsFile }),
  }
}

type OpenedBooks = Awaited<ReturnType<typeof openBooks>>

/** Posts all runs with their releases, closes periods in between; the batches, and what was closed after which message. */
async function play(
  all: Months,
  books: OpenedBooks,
  entityIds: readonly string[],
  runs: readonly Charge[][],
) {
  const closed = new Map<string, Closed[]>(entityIds.map(id => [id, []]))
  const batches: BillingBatchWire[] = []
  for (const [run, lines] of runs.entries()) {
    const range = await publish(`r_${run}_${entityIds[0]}`, lines, all.size)
    for (const { bytes } of range.messages) batches.push(JSON.parse(Buffer.from(bytes).toString()))
    // Of all entities: those of other cases have nothing due then.
    const orders = entityIds.map(id => order(`ro_${run}_${id}`, id, cutoffs[run]!))
    for (let time = 0; time < (all.again ? 2 : 1); time += 1) {
      expect(await books.erp.apply(range, never)).toEqual({ kind: 'ok', rows: expect.any(Number) })
      for (const one of orders)
        expect(await books.releases.apply(one, never)).toEqual({ kind: 'ok', rows: expect.any(Number) })
    }
    if (!all.closes[run]) continue
    for (const [entityId, before] of closed) {
      const day = formatInstant(cutoffs[run]! - 1n).slice(0, 10)
      const period = periodOf(calendarOf(books.calendars, entityId), day)!
      if (before.some(({ name }) => name === period.name)) continue
      await books.periods.close(entityId, period.name, anybodyAllowed)
      before.push({ ...period, after: (await readBook(parts, entityId)).lastSequence })
    }
  }
  return { closed, batches }
}

async function stillDeferred(entityId: string): Promise<Posted[]> {
  const { release } = await readBook(parts, entityId)
  const found: Posted[] = []
  const end = { until: '9999-12-31', up_to: Number.MAX_SAFE_INTEGER }
  for await (const entry of dueIn(parts, { token: entityId, release }, end, never))
    found.push({ seq: 0, entry })
  return found
}

test('any months of any calendars balance, add up to their charges, release what was deferred once, and leave closed periods alone', async () => {
  await fc.assert(
    fc.asyncProperty(months, async all => {
      entities += 1
      const entityIds = [`e${entities}a`, `e${entities}b`]
      const runs = linesOf(all, entityIds)
      const books = await openBooks(all, entityIds)
      const { closed, batches } = await play(all, books, entityIds, runs)
      for (const entityId of entityIds) {
        const posted = await postedOn(`postings.${entityId}`)
        const calendar = calendarOf(books.calendars, entityId)
        const lines = runs.flat().filter(one => one.entityId === entityId)
        expectSums(
          posted,
          lines,
          batches.filter(one => one.entity_id === entityId),
        )
        expectReleases(posted, await stillDeferred(entityId), calendar)
        expectPlaces(posted, closed.get(entityId)!, calendar)
        expectSummaries(posted, await postedOn(`summaries.${entityId}.book`))
      }
    }),
    { numRuns: Number(process.env['WEIR_RUNS'] ?? 6), endOnFailure: true },
  )
}, 300_000)

/** The broker, and what happens right before the next request reaches it. */
function bulkAfter(first: () => Promise<unknown>): BulkTransport {
  let isFirst = true
  const request: BulkTransport['request'] = async (...args) => {
    if (isFirst) {
      isFirst = false
      await first()
    }
    return bulk.request(...args)
  }
  return Object.assign(Object.create(bulk) as BulkTransport, { request })
}

const october = { timing: 'in_arrears', fromNs: nsOf(Date.UTC(2026, 9, 10)) } as const

test('a period that is closed between the reading of the book and the storing of an entry does not get it', async () => {
  const entityId = 'race-posting'
  const range = await publish('r_0_race', [charge('ch', { ...october, entityId })], 1)
  const close = () => periodsAt(afterAllNs).close(entityId, '2026-10', anybodyAllowed)
  const slow = createErpSink({ ...parts, bulk: bulkAfter(close), ...erpFiles })
  expect(await slow.apply(range, never)).toEqual({ kind: 'ok', rows: 1 })
  const [posted] = await postedOn(`postings.${entityId}`)
  expect(posted?.entry).toMatchObject({
    accounting_date: '2026-11-01',
    accounting_period: '2026-11',
    moved_from: '2026-10-31',
  })
})

test('a release whose period is closed while it is on its way goes to the next one, once', async () => {
  const entityId = 'race-release'
  await erp.apply(await publish('r_0_release', [charge('ch', { entityId })], 1), never)
  const close = () => periodsAt(afterAllNs).close(entityId, '2026-09', anybodyAllowed)
  const slow = createReleaseSink({ ...parts, bulk: bulkAfter(close), isPosted: async () => true })
  expect(await slow.apply(order('ro_race', entityId, cutoffs[0]!), never)).toEqual({ kind: 'ok', rows: 1 })
  const released = (await postedOn(`postings.${entityId}`)).filter(({ entry }) => entry.kind === 'release')
  expect(released.map(({ entry }) => [entry.accounting_date, entry.moved_from])).toEqual([
    ['2026-10-01', '2026-09-30'],
  ])
})

test('a closing that a posting overtakes looks again, sees what was posted, and says on the trail that it was refused', async () => {
  const entityId = 'race-closing'
  const range = await publish('r_0_race', [charge('ch', { ...october, entityId })], 1)
  const looks: number[] = []
  const blockers: BlockersOf = async ({ book }) => {
    looks.push(book.lastSequence)
    if (looks.length === 1) await erp.apply(range, never)
    return looks.length === 1 ? [] : [{ kind: 'delivery', id: 'd', detail: 'waits' }]
  }
  const acts = new Acts()
  const periods = new Periods({ ...parts, audit: acts, blockers, nowMs: () => msOf(afterAllNs) })
  await expect(periods.close(entityId, '2026-10', anybodyAllowed)).rejects.toMatchObject({
    code: 'period_not_settled',
  })
  expect(looks).toHaveLength(2)
  expect(acts.acts).toMatchObject([
    { act: 'period.closed', before: 'open', after: 'closed' },
    {
      ...{ act: 'period.close_refused', before: 'open', after: 'open' },
      reason: expect.stringContaining('delivery d: waits'),
    },
  ])
  expect((await readBook(parts, entityId)).closed).toEqual([])
})

test('closing needs a period that is over and known; reopening a reason, and what it opens takes entries again', async () => {
  const entityId = 'reopened'
  const acts = new Acts()
  const nowMs = () => Date.UTC(2026, 10, 1)
  const periods = new Periods({ ...parts, audit: acts, blockers: async () => [], nowMs })
  const refused = (code: string) => expect.objectContaining({ code })
  await expect(periods.close(entityId, '2026-11', anybodyAllowed)).rejects.toEqual(refused('not_over_yet'))
  await expect(periods.close(entityId, '2026-13', anybodyAllowed)).rejects.toEqual(refused('unknown_period'))
  await periods.close(entityId, '2026-10', anybodyAllowed)
  await expect(periods.close(entityId, '2026-10', anybodyAllowed)).rejects.toEqual(refused('period_not_open'))
  expect(await periods.closed()).toContainEqual(
    expect.objectContaining({
      entity_id: entityId,
      closed: [expect.objectContaining({ period: '2026-10' })],
    }),
  )
  await periods.reopen(entityId, '2026-10', 'an invoice was missing', anybodyAllowed)
  await erp.apply(await publish('r_0_open', [charge('ch', { ...october, entityId })], 1), never)
  const [posted] = await postedOn(`postings.${entityId}`)
  expect(posted?.entry).toMatchObject({ accounting_period: '2026-10' })
  expect(posted?.entry).not.toHaveProperty('moved_from')
  expect(acts.acts.map(({ act, reason }) => [act, reason])).toEqual([
    ['period.closed', undefined],
    ['period.reopened', 'an invoice was missing'],
  ])
})

test('a large run is posted and released in pieces, and goes on where a stop left it', async () => {
  const entityId = 'large'
  const days = (n: number) => nsOf(Date.UTC(2026, 8, 1 + n))
  const lines = Array.from({ length: 450 }, (_, n) =>
    charge(`ch_${String(n).padStart(4, '0')}`, {
      entityId,
      fromNs: days(n % 25),
      untilNs: days(60 + (n % 25)),
    }),
  )
  const range = await publish('r_3_large', lines, 450)
  expect(await erp.apply(range, never)).toEqual({ kind: 'ok', rows: 450 })
  const stopped = new AbortController()
  let asked = 0
  const request: BulkTransport['request'] = (...args) => {
    asked += 1
    if (asked === 2) throw new Error('the process ends here')
    return bulk.request(...args)
  }
  const dying = Object.assign(Object.create(bulk) as BulkTransport, { request })
  const sink = createReleaseSink({ ...parts, bulk: dying, isPosted: async () => true })
  expect(await sink.apply(order('ro_large', entityId, cutoffs[3]!), stopped.signal)).toMatchObject({
    kind: 'retryable',
  })
  expect((await readBook(parts, entityId)).release.pending?.done).toBe(900)
  // What is posted in between does not lose the place.
  await erp.apply(await publish('r_3_more', [charge('ch_more', { entityId })], 1), never)
  expect(await releases.apply(order('ro_later', entityId, cutoffs[3]!), never)).toMatchObject({ kind: 'ok' })
  const posted = await postedOn(`postings.${entityId}`)
  const released = posted.filter(({ entry }) => entry.kind === 'release').map(({ entry }) => entry)
  expect(new Set(released.map(entry => entry.journal_id)).size).toBe(released.length)
  const scheduled = posted.flatMap(({ entry }) => entry.schedule ?? []).filter(part => part.amount !== '0')
  expect(released.length).toBe(scheduled.length)
  expect((await readBook(parts, entityId)).release.pending).toBeUndefined()
  const csv = await readFile(join(folder, 'csv', `${entityId}-ro_large.csv`), 'utf8')
  const rows: Record<string, string>[] = parse(csv, { columns: true })
  expect(rows.every(row => row['release_id'] === 'ro_large' && row['entry_kind'] === 'release')).toBe(true)
  expect(rows.length).toBe(2 * released.filter(entry => entry.source.release_id === 'ro_large').length)
})
