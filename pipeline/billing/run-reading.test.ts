// What a billing run costs the broker: how many messages, and how many bytes, are read for each of its lines. A run that is
// four times as large reads four times as much, from the ledger to its batches, its journal entries and CSV, and the pages of
// the API: nothing reads a whole stream, or the whole run, again for every partition, batch or page.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { recognise } from '../../rating/recognition/recognise.js'
import type { BillingBatchWire } from '../../schemas/billing/billing-batch.js'
import { type Charge, chargeToWire } from '../../schemas/billing/charge.js'
import { scaledOne } from '../../schemas/money/decimal.js'
import { msOf, nsOf } from '../../schemas/time.js'
import type { FeedMessage, FeedRange, Sink } from '../../sinks/sink.js'
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

const partitions = 4
const linesPerMessage = 10
const linesPerBatch = 20
const [small, large] = [200, 800]
const cutoffNs = nsOf(Date.UTC(2026, 10, 1))
const never = new AbortController().signal

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

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-run-reading-'))
  await writeFile(
    join(folder, 'accounts.yaml'),
    'rules:\n  - match: { kind: usage }\n    accounts: { receivable: "1200", revenue: "4010" }\n    performance_obligation: usage\n',
  )
  server = await startNatsServer({ storeDir: join(folder, 'nats') })
  ;({ nc, bulk } = await connectTo(server.login()))
  js = jetstream(nc)
  jsm = await jetstreamManager(nc)
  await ensureTopology(nc, { partitions })
  kv = await new Kvm(nc).open('weir_runs')
  const nowMs = () => msOf(cutoffNs) + 1
  const around = {
    holds: { list: async () => [] },
    gate,
    audit: new Acts(),
    stoppedPartitions: () => new Map(),
  }
  runs = new BillingRuns({ js, jsm, runs: kv, partitions, nowMs, ...around })
  billing = createBillingSink({ bulk, js, ...noHold(jsm, kv), linesPerBatch, timeoutMs: 5_000 })
  erp = createErpSink({
    ...{ bulk, js, jsm, recognise, cutoffNsOf: async () => cutoffNs, timeoutMs: 5_000 },
    accountsFile: join(folder, 'accounts.yaml'),
    csvDir: join(folder, 'csv'),
  })
})

afterAll(async () => {
  await nc.close()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

async function orderRun(lines: number): Promise<string> {
  const answer = await runs.create({ cutoffNs, idempotencyKey: `${lines} lines` })
  if (answer.kind !== 'ok') throw new Error(answer.kind)
  return answer.value.run.billing_run_id
}

/** Writes what the partitions seal, in messages of a few lines; the last message of each tells its end. */
async function sealed(runId: string, lines: number): Promise<FeedMessage[]> {
  const ends: FeedMessage[] = []
  for (let partition = 0; partition < partitions; partition += 1) {
    const own = lines / partitions
    const line_count = own
    const common = { billing_run_id: runId, partition, cutoff: '2026-11-01T00:00:00Z', entity_id: null }
    const end = { ...common, entity_known: true, line_count, end: true }
    for (let from = 0; from < own; from += linesPerMessage) {
      const some = Array.from({ length: linesPerMessage }, (_, at) => lineOf(runId, partition, from + at))
      const isLast = from + linesPerMessage >= own
      const text = [...some, ...(isLast ? [JSON.stringify(end)] : [])].map(line => `${line}\n`).join('')
      const [natsSubject, bytes] = [`ledger.${partition}.sealed`, new TextEncoder().encode(text)]
      const { seq: sequence } = await js.publish(natsSubject, bytes)
      if (isLast) ends.push({ sequence, natsSubject, bytes })
    }
  }
  return ends
}

function lineOf(runId: string, partition: number, at: number): string {
  const charge: Charge = {
    chargeId: `ch_${runId}_${partition}_${at}`,
    customerId: `c${at}`,
    subscriptionId: `s${at}`,
    subscriptionVersion: 1,
    entityId: 'us',
    contractId: '',
    correlationId: '',
    plan: 'pro',
    planVersion: 1,
    price: 'tokens',
    meter: 'tokens',
    kind: 'usage',
    timing: 'in_arrears',
    currency: 'USD',
    fromNs: nsOf(Date.UTC(2026, 9, 1)),
    untilNs: cutoffNs,
    timezone: 'UTC',
    status: 'closed',
    quantity: scaledOne,
    amount: scaledOne,
    amountRounded: scaledOne,
    billingRunId: runId,
  }
  return JSON.stringify(chargeToWire(charge))
}

function rangeOf(stream: string, messages: readonly FeedMessage[]): FeedRange {
  const [from, to] = [messages[0]!.sequence, messages.at(-1)!.sequence]
  return { stream, from, to, token: `${from}-${to}`, messages }
}

async function batchesOf(runId: string): Promise<FeedMessage[]> {
  const found: FeedMessage[] = []
  const stretch = { stream: 'BILLING', filterSubject: `billing.*.${runId}`, from: 1 }
  for await (const message of readStretch(js, stretch, never))
    found.push({ sequence: message.seq, natsSubject: message.subject, bytes: message.data })
  return found
}

async function readPages(runId: string): Promise<number> {
  let lines = 0
  for (let after: string | undefined, page = 0; page === 0 || after !== undefined; page += 1) {
    const answer = await runs.batches(runId, after)
    if (answer.kind !== 'ok') throw new Error(answer.kind)
    for (const batch of answer.value.batches) lines += (batch as unknown as BillingBatchWire).lines.length
    after = answer.value.next_after ?? undefined
  }
  return lines
}

interface Read {
  readonly messages: number
  readonly bytes: number
}

async function reading(work: () => Promise<unknown>): Promise<Read> {
  const before = nc.stats()
  await work()
  const after = nc.stats()
  return { messages: after.inMsgs - before.inMsgs, bytes: after.inBytes - before.inBytes }
}

async function readingOf(lines: number): Promise<Readonly<Record<'batches' | 'postings' | 'pages', Read>>> {
  const runId = await orderRun(lines)
  const ends = await sealed(runId, lines)
  const batches = await reading(async () => {
    for (const end of ends) await billing.apply(rangeOf('LEDGER', [end]), never)
  })
  const there = await batchesOf(runId)
  expect(there).toHaveLength(lines / linesPerBatch)
  const postings = await reading(async () => {
    for (const batch of there)
      expect(await erp.apply(rangeOf('BILLING', [batch]), never)).toEqual({ kind: 'ok', rows: linesPerBatch })
  })
  const pages = await reading(async () => expect(await readPages(runId)).toBe(lines))
  return { batches, postings, pages }
}

test('the messages and bytes that are read for a line of a run do not grow with the run', async () => {
  const [few, many] = [await readingOf(small), await readingOf(large)]
  for (const stage of ['batches', 'postings', 'pages'] as const)
    for (const what of ['messages', 'bytes'] as const) {
      const [before, after] = [few[stage][what] / small, many[stage][what] / large]
      expect(after, `${what} for each line, ${stage}`).toBeLessThan(before * 1.05)
    }
})
