// Taxes on their way into the books, on a real broker: once, whoever posts them, in whatever order their states come.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { recognise } from '../../rating/recognition/recognise.js'
import { encodeRows } from '../../schemas/arrow/arrow-rows.js'
import { batchToWire, sealBatch } from '../../schemas/billing/billing-batch.js'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import { type TaxTransactionRow, taxTransactionsTable } from '../../schemas/lifecycle/tax-table.js'
import { taxesBucket } from '../../schemas/tax-trouble.js'
import type { FeedRange, Sink } from '../../sinks/sink.js'
import { readStretch } from '../broker/read-stream.js'
import { ensureTopology } from '../broker/topology.js'
import { connectTo } from '../testing/engine-harness.js'
import { createErpSink } from './postings-sink.js'
import { createTaxSink, type TaxSinkOptions } from './tax-sink.js'
import { TaxStore } from './tax-store.js'
import { charge, cutoffs } from './testing/random-months.js'

const never = new AbortController().signal
let folder: string
let server: NatsServer
let nc: NatsConnection
let js: JetStreamClient
let jsm: JetStreamManager
let options: TaxSinkOptions
let store: TaxStore
let erp: Sink

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-taxes-'))
  server = await startNatsServer({ storeDir: join(folder, 'nats') })
  const connected = await connectTo(server.login())
  nc = connected.nc
  js = jetstream(nc)
  jsm = await jetstreamManager(nc)
  await ensureTopology(nc, { partitions: 1 })
  const accountsFile = join(folder, 'accounts.yaml')
  await writeFile(
    accountsFile,
    `rules:
  - match: {}
    accounts: { receivable: "1200", revenue: "4000", deferred_revenue: "2400" }
    performance_obligation: subscription
tax:
  - match: { jurisdiction: US-CA }
    accounts: { tax: "2210" }
`,
  )
  const parts = { bulk: connected.bulk, js, jsm, timeoutMs: 5_000 }
  store = new TaxStore(await new Kvm(js).open(taxesBucket), jsm)
  const placesOf = async (ids: readonly string[]) =>
    new Map(
      (await posted()).flatMap(({ seq, entry }) =>
        entry.kind === 'journal' && ids.includes(entry.charge_id) ? [[entry.charge_id, seq] as const] : [],
      ),
    )
  options = { ...parts, accountsFile, store, placesOf, nowMs: Date.now, againMs: 20 }
  erp = createErpSink({ ...parts, accountsFile, recognise, cutoffNsOf: async () => cutoffs[1]! })
})

afterAll(async () => {
  await nc?.close()
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

async function posted(): Promise<{ seq: number; entry: JournalEntryWire }[]> {
  const found: { seq: number; entry: JournalEntryWire }[] = []
  for await (const message of readStretch(
    js,
    { stream: 'POSTINGS', filterSubject: 'postings.>', from: 1 },
    never,
  ))
    found.push({ seq: message.seq, entry: message.json<JournalEntryWire>() })
  return found
}

const taxes = async () =>
  (await posted())
    .filter(({ entry }) => entry.kind === 'tax')
    .map(({ entry }) => `${entry.charge_id} ${entry.lines[0]!.debit} ${entry.lines[0]!.credit}`)

function range(
  sequence: number,
  status: string,
  tax: string,
  more: Partial<TaxTransactionRow> = {},
): FeedRange {
  const line = { line: '1', charge_id: 'ch_1', amount: '31', tax_code: 'SW', jurisdiction: 'US-CA' }
  const row: TaxTransactionRow = {
    ...{ taxId: 'D/SalesInvoice/1', customerId: 'c', sequence, status, currency: 'USD', document: '1' },
    ...{
      documentStatus: 'Committed',
      invoiceId: '',
      total: 0n,
      totalTaxable: 0n,
      totalExempt: 0n,
      totalTax: 0n,
    },
    lines: JSON.stringify([{ ...line, rate: '0.06', taxable: '31', exempt: '0', tax }]),
    ...{
      code: '',
      reason: '',
      eventTimeNs: 0n,
      eventSource: 's',
      eventId: `e${sequence}`,
      correlationId: '',
    },
    ...{ partition: 0, ledgerSequence: sequence, ...more },
  }
  const bytes = encodeRows(taxTransactionsTable, [row])
  const messages = [{ sequence, natsSubject: 'ledger.0.tax_transactions', bytes }]
  return { stream: 'LEDGER', from: sequence, to: sequence, token: `t${sequence}`, messages }
}

async function billed(...ids: readonly string[]): Promise<FeedRange> {
  const of = { billingRunId: 'r', entityId: 'us', currency: 'USD', number: 1, of: 1 }
  const batch = sealBatch({ ...of, lines: ids.map(id => charge(id, { entityId: 'us' })) })
  const bytes = new TextEncoder().encode(JSON.stringify(batchToWire(batch)))
  const { seq } = await js.publish('billing.us.r', bytes)
  const messages = [{ sequence: seq, natsSubject: 'billing.us.r', bytes }]
  return { stream: 'BILLING', from: seq, to: seq, token: 'b', messages }
}

test('tax that comes before its charge is told, and posted once the charge is; each later state takes its place once; old ones and repeats change nothing', async () => {
  const sink = createTaxSink(options)
  expect(await sink.apply(range(2, 'committed', '1.86'), never)).toEqual({ kind: 'ok', rows: 0 })
  expect(await store.troubled()).toEqual(['D/SalesInvoice/1'])
  const batch = await billed('ch_1')
  expect((await erp.apply(batch, never)).kind).toBe('ok')
  const stopping = new AbortController()
  const attending = sink.attend!({ stopping: stopping.signal, aborting: never, isPaused: () => false })
  await expect.poll(taxes, { timeout: 20_000 }).toEqual(['ch_1 1.86 0'])
  await expect.poll(() => store.troubled(), { timeout: 20_000 }).toEqual([])
  stopping.abort()
  await attending
  const other = createTaxSink(options)
  const adjusted = range(5, 'adjusted', '2')
  const both = await Promise.all([sink.apply(adjusted, never), other.apply(adjusted, never)])
  expect(both.map(one => one.kind)).toEqual(['ok', 'ok'])
  const standing = ['ch_1 1.86 0', 'ch_1 0 1.86', 'ch_1 2 0']
  expect(await taxes()).toEqual(standing)
  for (const late of [
    range(2, 'committed', '1.86'),
    range(3, 'voided', '2'),
    range(6, 'failed', '2'),
    adjusted,
  ])
    await other.apply(late, never)
  expect(await taxes()).toEqual(standing)
  await sink.apply(range(8, 'voided', '2'), never)
  await other.apply(range(7, 'adjusted', '9'), never)
  expect(await taxes()).toEqual([...standing, 'ch_1 0 2'])
  await erp.apply(batch, never) // behind entries of taxes its lines are still known as posted
  expect((await posted()).filter(({ entry }) => entry.kind === 'journal')).toHaveLength(1)
})

test('a tax of more lines than a piece is adjusted in pieces, and a crash between them neither doubles nor loses any', async () => {
  const inPieces = { ...options, linesOfPiece: 4 }
  const ids = Array.from({ length: 9 }, (_, at) => `many_${at}`)
  await erp.apply(await billed(...ids), never)
  const told = (sequence: number, status: string, tax: string) => {
    const line = {
      amount: '31',
      tax_code: 'SW',
      jurisdiction: 'US-CA',
      rate: '0.06',
      taxable: '31',
      exempt: '0',
      tax,
    }
    const lines = ids.map((charge_id, at) => ({ line: String(at), charge_id, ...line }))
    return range(sequence, status, tax, { taxId: 'D/SalesInvoice/many', lines: JSON.stringify(lines) })
  }
  const standing = async () => {
    const found = new Map<string, number>()
    for (const { entry } of await posted()) {
      if (entry.kind !== 'tax' || !entry.charge_id.startsWith('many_')) continue
      const [{ debit, credit } = { debit: '', credit: '' }] = entry.lines
      const key = `${debit} ${credit}`
      found.set(key, (found.get(key) ?? 0) + 1)
    }
    return Object.fromEntries(found)
  }
  await createTaxSink(inPieces).apply(told(20, 'committed', '1'), never)
  expect(await standing()).toEqual({ '1 0': 9 })
  const crash = new AbortController()
  let reads = 0
  const get = async (taxId: string) => {
    reads += 1
    if (reads === 4) crash.abort(new Error('a crash')) // before the third piece
    crash.signal.throwIfAborted()
    return store.get(taxId)
  }
  const { keep, tell, troubled } = store
  const crashing = createTaxSink({
    ...inPieces,
    store: { get, keep: keep.bind(store), tell: tell.bind(store), troubled: troubled.bind(store) },
  })
  const adjusted = told(21, 'adjusted', '2')
  const outcome = await crashing.apply(adjusted, crash.signal).catch(() => ({ kind: 'ended' }))
  expect(outcome.kind).not.toBe('ok')
  expect(await standing()).toEqual({ '1 0': 9, '0 1': 8, '2 0': 8 })
  await createTaxSink(inPieces).apply(adjusted, never)
  expect(await standing()).toEqual({ '1 0': 9, '0 1': 9, '2 0': 9 })
  await createTaxSink(inPieces).apply(told(22, 'voided', '2'), never)
  expect(await standing()).toEqual({ '1 0': 9, '0 1': 9, '2 0': 9, '0 2': 9 })
  expect(await store.troubled()).toEqual([])
})
