// From sealed ledger lines to billing batches, postings and CSV, on a real broker: each exactly once.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { recognise } from '../../rating/recognition/recognise.js'
import { type BillingBatchWire, batchFromWire } from '../../schemas/billing/billing-batch.js'
import { runKeys } from '../../schemas/billing/billing-run.js'
import { type Charge, chargeToWire } from '../../schemas/billing/charge.js'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import { formatScaled, parseDecimal, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { msOf, nsOf } from '../../schemas/time.js'
import type { FeedRange, Sink } from '../../sinks/sink.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { readStretch } from '../broker/read-stream.js'
import { ensureTopology } from '../broker/topology.js'
import { freeGate as gate } from '../deliver/testing/flow-gates.js'
import { createErpSink } from '../postings/postings-sink.js'
import { Acts } from '../testing/acts.js'
import { connectTo } from '../testing/engine-harness.js'
import { BillingRuns } from './billing-runs.js'
import { createBillingSink } from './billing-sink.js'
import { noHold } from './testing/no-hold.js'

const partitions = 2
const never = new AbortController().signal
const cutoffNs = nsOf(Date.UTC(2026, 10, 1))
const accounts = `
rules:
  - match: { kind: usage }
    accounts: { receivable: "1200", revenue: "4010" }
    performance_obligation: metered_usage
`
const forRecurring = `
  - match: { timing: in_advance }
    accounts: { receivable: "1200", revenue: "4000", deferred_revenue: "2400" }
    performance_obligation: subscription
`

let folder: string
let server: NatsServer
let nc: NatsConnection
let bulk: BulkTransport
let js: JetStreamClient
let jsm: JetStreamManager
let kv: KV
let runs: BillingRuns
let billing: Sink
let erp: Sink
const stopped = new Map<number, string>()
let runNumber = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-billing-'))
  server = await startNatsServer({ storeDir: join(folder, 'nats') })
  ;({ nc, bulk } = await connectTo(server.login()))
  js = jetstream(nc)
  jsm = await jetstreamManager(nc)
  await ensureTopology(nc, { partitions })
  kv = await new Kvm(nc).open('weir_runs')
  const common = {
    holds: { list: async () => [] },
    js,
    jsm,
    runs: kv,
    partitions,
    nowMs: () => msOf(cutoffNs) + 1,
    gate,
    audit: new Acts(),
  }
  runs = new BillingRuns({ ...common, stoppedPartitions: () => stopped })
  billing = createBillingSink({ bulk, js, ...noHold(jsm, kv), linesPerBatch: 500, timeoutMs: 5_000 })
  erp = createErpSink({
    ...{ bulk, js, jsm },
    accountsFile: join(folder, 'accounts.yaml'),
    csvDir: join(folder, 'csv'),
    recognise,
    cutoffNsOf: async () => cutoffNs,
    timeoutMs: 5_000,
  })
})

afterAll(async () => {
  await nc.close()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

beforeEach(async () => {
  runNumber += 1
  await writeFile(join(folder, 'accounts.yaml'), accounts + forRecurring)
})

function charge(id: string, amount: Scaled, more: Partial<Charge> = {}): Charge {
  return {
    chargeId: id,
    customerId: 'c1',
    subscriptionId: 's1',
    subscriptionVersion: 1,
    entityId: `entity-${runNumber}`,
    contractId: '',
    correlationId: '',
    plan: 'pro',
    planVersion: 1,
    price: 'tokens',
    meter: 'tokens_in',
    kind: 'usage',
    timing: 'in_arrears',
    fromNs: nsOf(Date.UTC(2026, 9, 1)),
    untilNs: cutoffNs,
    timezone: 'UTC',
    quantity: scaledOne,
    amount,
    amountRounded: amount,
    currency: 'USD',
    status: 'closed',
    ...more,
  }
}

async function orderRun(): Promise<string> {
  const answer = await runs.create({ cutoffNs, idempotencyKey: `run ${runNumber}` })
  if (answer.kind !== 'ok') throw new Error(answer.kind)
  return answer.value.run.billing_run_id
}

let sealedSoFar: { readonly runId: string; readonly messages: FeedRange['messages'][number][] } | undefined

/** Writes the lines that a partition's core seals, and returns the range of all lines of the run so far. */
async function seal(
  runId: string,
  partition: number,
  charges: readonly Charge[],
  entityKnown = true,
  lineCount = charges.length,
): Promise<FeedRange> {
  const end = {
    billing_run_id: runId,
    partition,
    cutoff: '2026-11-01T00:00:00Z',
    entity_id: null,
    entity_known: entityKnown,
    line_count: lineCount,
    end: true,
  }
  const lines = [...charges.map(one => chargeToWire({ ...one, billingRunId: runId })), end]
  const bytes = new TextEncoder().encode(lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  const natsSubject = `ledger.${partition}.sealed`
  const { seq } = await js.publish(natsSubject, bytes)
  if (sealedSoFar?.runId !== runId) sealedSoFar = { runId, messages: [] }
  sealedSoFar.messages.push({ sequence: seq, natsSubject, bytes })
  const messages = [...sealedSoFar.messages]
  return { stream: 'LEDGER', from: messages[0]!.sequence, to: seq, token: `t${seq}`, messages }
}

async function streamOf(stream: string, filterSubject: string): Promise<FeedRange> {
  const messages: { sequence: number; natsSubject: string; bytes: Uint8Array }[] = []
  for await (const message of readStretch(js, { stream, filterSubject, from: 1 }, never)) {
    messages.push({ sequence: message.seq, natsSubject: message.subject, bytes: message.data })
  }
  const last = messages.at(-1)?.sequence ?? 0
  return { stream, from: messages[0]?.sequence ?? 0, to: last, token: `${stream}-${last}`, messages }
}

const batchesOfRun = (runId: string) => streamOf('BILLING', `billing.*.${runId}`)
const postings = () => streamOf('POSTINGS', `postings.entity-${runNumber}`)
const json = <T>(range: FeedRange): T[] =>
  range.messages.map(one => JSON.parse(new TextDecoder().decode(one.bytes)) as T)

function sum(texts: readonly string[]): string {
  let total = 0n
  for (const text of texts) {
    const result = parseDecimal(text)
    if (result.kind === 'ok') total += result.value
  }
  return formatScaled(total)
}

test('a run becomes batches only when every partition has sealed it, and the batches carry their sums', async () => {
  const runId = await orderRun()
  const lines = Array.from({ length: 1_201 }, (_, index) =>
    charge(`ch_${String(index).padStart(4, '0')}`, BigInt(index) * 10_000_000_000n),
  )
  const first = await seal(runId, 0, lines.slice(0, 700))
  expect(await billing.apply(first, never)).toEqual({ kind: 'ok', rows: 0 })
  expect((await batchesOfRun(runId)).messages).toHaveLength(0)
  const half = await runs.get(runId)
  expect(half).toMatchObject({
    value: {
      status: 'sealing',
      partitions: { sealed: 1, of: 2 },
      waiting_for: [{ partition: 1, stopped: null }],
    },
  })
  stopped.set(1, 'It was purged.')
  expect(await runs.get(runId)).toMatchObject({
    value: { waiting_for: [{ partition: 1, stopped: 'It was purged.' }] },
  })
  stopped.clear()

  const second = await seal(runId, 1, lines.slice(700))
  expect(await billing.apply(second, never)).toEqual({ kind: 'ok', rows: 1_201 })
  const batches = json<BillingBatchWire>(await batchesOfRun(runId))
  expect(batches.map(batch => [batch.number, batch.of, batch.lines.length])).toEqual([
    [1, 3, 500],
    [2, 3, 500],
    [3, 3, 201],
  ])
  expect(batches.every(batch => batchFromWire(batch).kind === 'ok')).toBe(true)
  expect(sum(batches.map(batch => batch.control.amount_total))).toBe(
    formatScaled(BigInt((1_200 * 1_201) / 2) * 10_000_000_000n),
  )
  const ids = batches.flatMap(batch => batch.lines.map(line => line.charge_id))
  expect(ids).toEqual(lines.map(line => line.chargeId))
})

test('applying the same range again, or by two sinks at once, publishes nothing twice', async () => {
  const runId = await orderRun()
  await seal(runId, 0, [charge('ch_a', scaledOne), charge('ch_b', scaledOne, { currency: 'EUR' })])
  const range = await seal(runId, 1, [])
  const other = createBillingSink({ bulk, js, ...noHold(jsm, kv), linesPerBatch: 500, timeoutMs: 5_000 })
  await Promise.all([billing.apply(range, never), other.apply(range, never)])
  await billing.apply(range, never)
  const batches = await batchesOfRun(runId)
  expect(json<BillingBatchWire>(batches).map(batch => batch.currency)).toEqual(['USD', 'EUR'])

  const again = createErpSink({
    bulk,
    js,
    jsm,
    accountsFile: join(folder, 'accounts.yaml'),
    recognise,
    cutoffNsOf: async () => cutoffNs,
    timeoutMs: 5_000,
  })
  const outcomes = await Promise.all([erp.apply(batches, never), again.apply(batches, never)])
  expect(outcomes.map(outcome => outcome.kind)).toEqual(['ok', 'ok'])
  await erp.apply(batches, never)
  expect((await postings()).messages).toHaveLength(2)
})

test('a sink that was killed between two batches goes on behind the first', async () => {
  const runId = await orderRun()
  const small = createBillingSink({ bulk, js, ...noHold(jsm, kv), linesPerBatch: 2, timeoutMs: 5_000 })
  await seal(
    runId,
    0,
    [1, 2, 3, 4, 5].map(index => charge(`ch_${index}`, scaledOne)),
  )
  const range = await seal(runId, 1, [])
  await small.apply(range, never)
  const whole = await batchesOfRun(runId)
  // The broker forgets the second and third batch, as if the process had died before it published them.
  const second = whole.messages[1]
  await jsm.streams.purge('BILLING', { filter: `billing.entity-${runNumber}.${runId}`, keep: 0 })
  const first = whole.messages[0]
  await js.publish(`billing.entity-${runNumber}.${runId}`, first?.bytes, {
    headers: await headersOf(first?.bytes),
  })
  await small.apply(range, never)
  const healed = await batchesOfRun(runId)
  expect(healed.messages.map(one => new TextDecoder().decode(one.bytes))).toEqual(
    whole.messages.map(one => new TextDecoder().decode(one.bytes)),
  )
  expect(second?.bytes.length).toBeGreaterThan(0)
})

async function headersOf(bytes: Uint8Array | undefined) {
  const { headers } = await import('@nats-io/transport-node')
  const result = headers()
  const batch = JSON.parse(new TextDecoder().decode(bytes)) as BillingBatchWire
  result.set('weir-batch', batch.batch_id)
  return result
}

test('each line is one balanced entry, in POSTINGS and in the CSV, a credit note with its sides swapped', async () => {
  const runId = await orderRun()
  await seal(runId, 0, [
    charge('ch_usage', 12_340_000_000_000n, { correlationId: 'quote-1' }),
    charge('ch_credit', -5_010_000_000_000n),
    charge('ch_seats', 100n * scaledOne, {
      kind: 'recurring',
      timing: 'in_advance',
      price: '=seats',
      fromNs: nsOf(Date.UTC(2026, 8, 16)),
    }),
  ])
  await billing.apply(await seal(runId, 1, []), never)
  expect(await erp.apply(await batchesOfRun(runId), never)).toEqual({ kind: 'ok', rows: 3 })
  const entries = json<JournalEntryWire>(await postings())
  const carried = entries.map(entry => `${entry.charge_id} ${entry.correlation_id}`).sort()
  expect(carried).toEqual(['ch_credit ', 'ch_seats ', 'ch_usage quote-1'])
  const byCharge = new Map(entries.map(entry => [entry.charge_id, entry]))
  expect(byCharge.get('ch_credit')?.lines.map(line => [line.account, line.debit, line.credit])).toEqual([
    ['4010', '5.01', '0'],
    ['1200', '0', '5.01'],
  ])
  const seats = byCharge.get('ch_seats')
  expect(seats?.lines[1]?.account).toBe('2400')
  // 46 days from 16 September: 15 of them, then 31. 100 x 15 / 46 = 32.608…
  expect(seats?.schedule?.map(part => part.amount)).toEqual(['32.61', '67.39'])
  expect([byCharge.get('ch_usage')?.accounting_date, seats?.accounting_date]).toEqual([
    '2026-10-31',
    '2026-09-16',
  ])
  const csv = await readFile(join(folder, 'csv', `entity-${runNumber}-${runId}.csv`), 'utf8')
  const rows: Record<string, string>[] = parse(csv, { columns: true })
  expect(sum(rows.map(row => row['debit'] ?? ''))).toBe(sum(rows.map(row => row['credit'] ?? '')))
  expect(sum(rows.map(row => row['debit'] ?? ''))).toBe('117.35')
})

test('a charge without a rule is set aside alone, and posted once, once the mapping is mended', async () => {
  await writeFile(join(folder, 'accounts.yaml'), accounts)
  const runId = await orderRun()
  await seal(runId, 0, [
    charge('ch_usage', scaledOne),
    charge('ch_seats', scaledOne, { kind: 'recurring', timing: 'in_advance' }),
  ])
  await billing.apply(await seal(runId, 1, []), never)
  const batches = await batchesOfRun(runId)
  const outcome = await erp.apply(batches, never)
  expect(outcome).toMatchObject({ kind: 'ok', rows: 1, refused: [{ code: 'no_account_mapping' }] })
  const refused = outcome.kind === 'ok' ? outcome.refused![0]! : undefined
  expect(JSON.parse(refused!.content)).toMatchObject({ charge_id: 'ch_seats' })
  expect((await postings()).messages).toHaveLength(1)
  expect(await erp.applyRefused!(refused!, never)).toMatchObject({
    kind: 'rejected',
    code: 'no_account_mapping',
  })

  await writeFile(join(folder, 'accounts.yaml'), accounts + forRecurring)
  // Applied again after a crash, under another mapping: what was not posted is set aside, and never lost.
  expect(await erp.apply(batches, never)).toMatchObject({
    kind: 'ok',
    rows: 0,
    refused: [{ name: refused!.name }],
  })
  expect(await erp.applyRefused!(refused!, never)).toEqual({ kind: 'ok', rows: 1 })
  expect(await erp.applyRefused!(refused!, never)).toEqual({ kind: 'ok', rows: 0 })
  expect((await postings()).messages).toHaveLength(2)
  expect(await erp.apply(batches, never)).toEqual({ kind: 'ok', rows: 0 })
})

test('what is no batch, and a batch of a run that nobody knows, hold up no other batch', async () => {
  await writeFile(join(folder, 'accounts.yaml'), accounts)
  const runId = await orderRun()
  await seal(runId, 0, [charge('ch_usage', scaledOne)])
  await billing.apply(await seal(runId, 1, []), never)
  const range = await batchesOfRun(runId)
  const text = (value: string) => new TextEncoder().encode(value)
  const broken = { ...range.messages[0]!, sequence: 9_001, bytes: text('{"not": "a batch"}') }
  const noJson = { ...range.messages[0]!, sequence: 9_002, bytes: text('{') }
  const outcome = await erp.apply({ ...range, messages: [broken, noJson, ...range.messages] }, never)
  expect(outcome).toMatchObject({
    kind: 'ok',
    rows: 1,
    refused: [
      { sequence: 9_001, code: 'invalid_billing_batch' },
      { sequence: 9_002, code: 'invalid_billing_batch' },
    ],
  })
})

test('sealed lines that cannot be read are set aside alone, with their reason; the others become batches', async () => {
  const runId = await orderRun()
  const scaledTenTo26 = 10n ** 38n
  const tooMuch = charge('ch_much', scaledTenTo26)
  const roundedUp = charge('ch_rounded', scaledTenTo26 - 1n, { amountRounded: scaledTenTo26 })
  const quantity = charge('ch_quantity', 1n, { quantity: -scaledTenTo26 })
  await seal(runId, 0, [tooMuch, charge('ch_a', scaledOne), roundedUp])
  const last = await seal(runId, 1, [charge('ch_b', scaledOne), quantity])
  const outcome = await billing.apply(last, never)
  expect(outcome).toMatchObject({ kind: 'ok', rows: 2 })
  const refused = outcome.kind === 'ok' ? (outcome.refused ?? []) : []
  expect(refused.map(one => one.code)).toEqual(Array(3).fill('sealed_line_unreadable'))
  expect(refused.map(one => JSON.parse(one.content).charge_id)).toEqual([
    'ch_much',
    'ch_rounded',
    'ch_quantity',
  ])
  expect(new Set(refused.map(one => one.name)).size).toBe(3)
  expect(refused.every(one => one.detail !== '')).toBe(true)
  const batches = json<BillingBatchWire>(await batchesOfRun(runId))
  expect(batches.flatMap(one => one.lines.map(line => line.charge_id))).toEqual(['ch_a', 'ch_b'])
  expect(await billing.apply(last, never)).toEqual(outcome)
})

test('the same request is the same run; a future cutoff and a key used for another request are refused', async () => {
  const one = await runs.create({ cutoffNs })
  const two = await runs.create({ cutoffNs })
  expect(one).toMatchObject({ kind: 'ok', value: { created: true } })
  expect(two).toMatchObject({ kind: 'ok', value: { created: false } })
  expect(
    one.kind === 'ok' && two.kind === 'ok' && one.value.run.billing_run_id === two.value.run.billing_run_id,
  ).toBe(true)
  expect(await runs.create({ cutoffNs: cutoffNs + 2_000_000n })).toMatchObject({ code: 'cutoff_in_future' })
  await runs.create({ cutoffNs, idempotencyKey: 'once' })
  expect(await runs.create({ cutoffNs: cutoffNs - 1n, idempotencyKey: 'once' })).toMatchObject({
    kind: 'refused',
    code: 'idempotency_key_reused',
  })
})

test('an acknowledged batch stays acknowledged, and a run without lines has no batches', async () => {
  const runId = await orderRun()
  await seal(runId, 0, [charge('ch_a', scaledOne)])
  await billing.apply(await seal(runId, 1, []), never)
  const page = await runs.batches(runId)
  const batchId = page.kind === 'ok' ? (page.value.batches[0]?.batch_id ?? '') : ''
  const first = await runs.ack(runId, batchId)
  expect(await runs.ack(runId, batchId)).toEqual(first)
  expect(await runs.get(runId)).toMatchObject({ value: { status: 'acknowledged' } })
  expect(await runs.ack(runId, 'batch_none')).toMatchObject({ kind: 'refused', code: 'not_found' })

  runNumber += 1
  const empty = await orderRun()
  await seal(empty, 0, [])
  await billing.apply(await seal(empty, 1, []), never)
  expect(await runs.get(empty)).toMatchObject({ value: { status: 'published', batches: { published: 0 } } })
})

test('a line that rounds to 0 is in its batch and has no entry, and needs no account', async () => {
  await writeFile(join(folder, 'accounts.yaml'), accounts)
  const runId = await orderRun()
  const trial = { kind: 'recurring', timing: 'in_advance' } as const
  await seal(runId, 0, [charge('ch_trial', 0n, trial), charge('ch_dust', 1n, { amountRounded: 0n })])
  await billing.apply(await seal(runId, 1, []), never)
  const batches = await batchesOfRun(runId)
  expect(json<BillingBatchWire>(batches)[0]?.lines.map(line => line.charge_id)).toEqual([
    'ch_trial',
    'ch_dust',
  ])
  expect(await erp.apply(batches, never)).toEqual({ kind: 'ok', rows: 0 })
  expect((await postings()).messages).toHaveLength(0)

  runNumber += 1
  const mixed = await orderRun()
  await seal(mixed, 0, [charge('ch_dust', 1n, { amountRounded: 0n }), charge('ch_usage', scaledOne)])
  await billing.apply(await seal(mixed, 1, []), never)
  expect(await erp.apply(await batchesOfRun(mixed), never)).toEqual({ kind: 'ok', rows: 1 })
  expect(json<JournalEntryWire>(await postings()).map(entry => entry.charge_id)).toEqual(['ch_usage'])
  const csv = await readFile(join(folder, 'csv', `entity-${runNumber}-${mixed}.csv`), 'utf8')
  expect(csv).not.toContain('ch_dust')
})

test('dates and months are those of the time zone of the subscription; a credit reverses the schedule', async () => {
  const runId = await orderRun()
  const inAdvance = {
    kind: 'recurring',
    timing: 'in_advance',
    timezone: 'America/New_York',
    fromNs: nsOf(Date.UTC(2026, 8, 16, 4)),
    untilNs: nsOf(Date.UTC(2026, 10, 1, 4)),
  } as const
  const hundred = 100n * scaledOne
  await seal(runId, 0, [
    charge('ch_seats', hundred, inAdvance),
    charge('ch_usage', scaledOne, { timezone: 'Asia/Tokyo' }),
    charge('ch_z', -hundred, { ...inAdvance, kind: 'adjustment', corrects: 'ch_seats' }),
  ])
  await billing.apply(await seal(runId, 1, []), never)
  await erp.apply(await batchesOfRun(runId), never)
  const [seats, usage, credit] = json<JournalEntryWire>(await postings())
  expect([seats?.accounting_date, usage?.accounting_date, credit?.accounting_date]).toEqual([
    '2026-09-16',
    '2026-11-01',
    '2026-10-31',
  ])
  expect(seats?.schedule).toEqual([
    {
      month: '2026-09-01',
      from: '2026-09-16T04:00:00Z',
      until: '2026-10-01T04:00:00Z',
      amount: '32.61',
    },
    {
      month: '2026-10-01',
      from: '2026-10-01T04:00:00Z',
      until: '2026-11-01T04:00:00Z',
      amount: '67.39',
    },
  ])
  expect(credit?.schedule?.map(part => part.amount)).toEqual(['-32.61', '-67.39'])
  expect(credit?.lines.map(line => [line.account, line.debit, line.credit])).toEqual([
    ['2400', '100', '0'],
    ['1200', '0', '100'],
  ])
})

/** Applies the lines that the partitions seal, as soon as the run is ordered. */
async function answered<T>(
  asked: Promise<T>,
  known: readonly [boolean, boolean],
  charges: readonly Charge[] = [],
) {
  let record: { readonly billing_run_id: string; readonly ordered: boolean } | undefined
  const before = new Set(done)
  while (record?.ordered !== true) {
    for await (const key of await kv.keys('run.*')) {
      const one = (await kv.get(key))?.json<{ billing_run_id: string; ordered: boolean }>()
      if (one?.ordered === true && !before.has(one.billing_run_id)) record = one
    }
  }
  done.add(record.billing_run_id)
  await seal(record.billing_run_id, 0, charges, known[0])
  await billing.apply(await seal(record.billing_run_id, 1, [], known[1]), never)
  return asked
}
const done = new Set<string>()

async function forgetRuns(): Promise<void> {
  for await (const key of await kv.keys('run.*')) done.add(key.slice('run.'.length))
}

test('a run of an entity that nobody has is not found, whoever asks again asks anew', async () => {
  await forgetRuns()
  const request = { cutoffNs, entityId: 'acme-eu' }
  const unknown = { kind: 'refused', code: 'unknown_entity' }
  expect(await answered(runs.create(request), [false, false])).toMatchObject(unknown)
  expect(await answered(runs.create(request), [false, false])).toMatchObject(unknown)
  const found = await answered(runs.create(request), [false, true])
  expect(found).toMatchObject({ kind: 'ok', value: { created: true, run: { status: 'published' } } })
  const again = await runs.create(request)
  expect(again).toMatchObject({ kind: 'ok', value: { created: false } })
  const list = await runs.list()
  expect(list.filter(run => run.entity_id === 'acme-eu').map(run => run.status)).toEqual([
    'unknown_entity',
    'unknown_entity',
    'published',
  ])
})

test('a preview shows its batches and publishes none; it is no run that could be acknowledged', async () => {
  await forgetRuns()
  const lines = [charge('ch_a', scaledOne), charge('ch_b', 2n * scaledOne)]
  const preview = await answered(runs.create({ cutoffNs, preview: true }), [true, true], lines)
  if (preview.kind !== 'ok') throw new Error(preview.kind)
  const { billing_run_id: runId } = preview.value.run
  expect(preview.value.run).toMatchObject({ status: 'previewed', preview: true, batches: { published: 1 } })
  expect(preview.value.run).toMatchObject({ totals: [{ line_count: 2, amount_total: '3' }] })
  expect((await batchesOfRun(runId)).messages).toEqual([])
  const page = await runs.batches(runId)
  expect(page).toMatchObject({
    value: { batches: [{ lines: [{ charge_id: 'ch_a' }, { charge_id: 'ch_b' }] }] },
  })
  const batchId = page.kind === 'ok' ? page.value.batches[0]!.batch_id : ''
  expect(await runs.ack(runId, batchId)).toMatchObject({ kind: 'refused', code: 'preview' })
})

test('after its day a preview still lists, and its batches are gone, with a code, marked or not', async () => {
  await forgetRuns()
  const lines = Array.from({ length: 501 }, (_, index) => charge(`ch_${1_000 + index}`, scaledOne))
  const preview = await answered(runs.create({ cutoffNs: cutoffNs - 2n, preview: true }), [true, true], lines)
  if (preview.kind !== 'ok') throw new Error(preview.kind)
  const { billing_run_id: runId } = preview.value.run
  const page = await runs.batches(runId)
  const [first, second] = page.kind === 'ok' ? page.value.batches : []
  const gone = { kind: 'refused', code: 'preview_expired', detail: expect.stringContaining(runId) }
  // The second batch goes as its day would take it: its time to live ends, which leaves a mark, and then that goes too.
  const key = runKeys.preview(runId, second!.batch_id)
  await kv.purge(key)
  await kv.create(key, '{}', '1s')
  while ((await kv.get(key))?.operation === 'PUT') await sleep(50)
  expect((await kv.get(key))?.operation).toBe('PURGE')
  expect(await runs.batches(runId)).toMatchObject(gone)
  expect(await runs.batches(runId, first!.batch_id)).toMatchObject(gone)
  await jsm.streams.purge('KV_weir_runs', { filter: `$KV.weir_runs.${key}` })
  expect(await runs.batches(runId)).toMatchObject(gone)
  expect(await runs.get(runId)).toMatchObject({ kind: 'ok', value: { status: 'previewed' } })
  expect((await runs.list()).map(run => run.billing_run_id)).toContain(runId)
  expect(await runs.ack(runId, second!.batch_id)).toMatchObject({ kind: 'refused', code: 'preview' })
})

test('a batch that was taken out of BILLING is gone, with a code; those of other runs are read', async () => {
  const kept = await orderRun()
  runNumber += 1
  const purged = await orderRun()
  for (const runId of [kept, purged]) {
    await billing.apply(await seal(runId, 0, [charge(`ch ${runId}`, scaledOne)]), never)
    await billing.apply(await seal(runId, 1, []), never)
  }
  await jsm.streams.purge('BILLING', { filter: `billing.*.${purged}` })
  expect(await runs.batches(purged)).toMatchObject({ kind: 'refused', code: 'batch_purged' })
  expect(await runs.batches(kept)).toMatchObject({
    kind: 'ok',
    value: { batches: [{ billing_run_id: kept }] },
  })
})

test('an Idempotency-Key belongs to one request, also when two come at once', async () => {
  await forgetRuns()
  const key = { idempotencyKey: `both ${runNumber}` }
  const asked = [runs.create({ cutoffNs, ...key }), runs.create({ cutoffNs: cutoffNs - 1n, ...key })]
  expect((await Promise.all(asked)).map(answer => answer.kind).sort()).toEqual(['ok', 'refused'])
  expect(await runs.create({ cutoffNs, preview: true, ...key })).toMatchObject({
    code: 'idempotency_key_reused',
  })
  expect(await runs.create({ cutoffNs, entityId: 'us', ...key })).toMatchObject({
    code: 'idempotency_key_reused',
  })
})

test('a ledger with fewer sealed lines than a partition counted is refused, not billed short', async () => {
  const runId = await orderRun()
  await seal(runId, 0, [charge('ch_1', scaledOne)])
  const short = await seal(runId, 1, [charge('ch_2', scaledOne)], true, 3)
  const code = 'sealed_lines_incomplete'
  expect(await billing.apply(short, never)).toMatchObject({ kind: 'rejected', code })
  expect((await batchesOfRun(runId)).messages).toEqual([])
})
