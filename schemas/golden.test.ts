// Tests one example of every shape, and that the JSON Schemas are current.

import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  type BillingBatch,
  batchFromWire,
  batchProblems,
  batchToWire,
  billingBatchSchema,
  sealBatch,
} from './billing/billing-batch.js'
import { type Charge, chargeFromWire, chargeSchema, chargeToWire } from './billing/charge.js'
import {
  type JournalEntry,
  journalEntrySchema,
  journalProblems,
  journalToWire,
} from './billing/journal-entry.js'
import { type MrrMovement, movementToWire, mrrMovementSchema } from './billing/mrr-movement.js'
import { catalogSchema } from './catalog/catalog-schema.js'
import { parseMessage, validateEvent } from './event/cloud-event.js'
import { deadLetterSchema, deadLetterToWire } from './event/dead-letter.js'
import { cloudEventSchema, jsonSchemas } from './json-schema/json-schema.js'
import { packageRoot } from './package-root.js'
import { type RatedUsageRow, ratedUsageTable } from './tables.js'
import { rowToWire } from './testing/row-wire.js'
import { nsOf } from './time.js'

const bytesOf = (name: string) => readFileSync(new URL(`schemas/golden/${name}`, packageRoot))
const golden = (name: string): unknown => JSON.parse(bytesOf(name).toString('utf8'))

const charge: Charge = {
  chargeId: 'ch_0123456789abcdef0123456789abcdef',
  customerId: 'cus_1',
  subscriptionId: 'sub_1',
  subscriptionVersion: 3,
  entityId: 'de',
  contractId: 'con_1',
  correlationId: 'corr-7',
  plan: 'pro',
  planVersion: 1,
  price: 'tokens',
  meter: 'tokens_in',
  kind: 'usage',
  timing: 'in_arrears',
  fromNs: nsOf(Date.UTC(2026, 0, 31)),
  untilNs: nsOf(Date.UTC(2026, 1, 28)),
  timezone: 'Europe/Berlin',
  quantity: 1_234_567_000000000000n,
  amount: 3_469134000001n,
  amountRounded: 3_470000000000n,
  currency: 'EUR',
  status: 'closed',
  billingRunId: 'run_1',
}

const adjustment: Charge = {
  ...charge,
  chargeId: 'ch_fedcba9876543210fedcba9876543210',
  kind: 'adjustment',
  quantity: -2_000000000000n,
  amount: -4_000000n,
  amountRounded: 0n,
  corrects: charge.chargeId,
}

const batch: BillingBatch = sealBatch({
  billingRunId: 'run_1',
  entityId: 'de',
  currency: 'EUR',
  number: 1,
  of: 1,
  lines: [charge, adjustment],
})

const movement: MrrMovement = {
  movementId: 'mv_1',
  customerId: 'cus_1',
  subscriptionId: 'sub_1',
  effectiveAtNs: nsOf(Date.UTC(2026, 2, 1, 12, 30, 0, 250)),
  kind: 'contraction',
  amount: -20_500000000000n,
  currency: 'EUR',
  mrrBefore: 120_500000000000n,
  mrrAfter: 100_000000000000n,
  correlationId: 'corr-7',
}

const entry: JournalEntry = {
  journalId: 'je_1',
  idempotencyKey: 'je_1',
  kind: 'journal',
  entityId: 'de',
  currency: 'EUR',
  accountingDate: '2026-02-28',
  accountingPeriod: '2026-02',
  lines: [
    {
      account: '1200',
      role: 'receivable',
      debit: 99_000000000000n,
      credit: 0n,
      segments: new Map([['cost_center', 'cc-7']]),
    },
    { account: '2400', role: 'deferred_revenue', debit: 0n, credit: 99_000000000000n, segments: new Map() },
  ],
  chargeId: charge.chargeId,
  corrects: '',
  customerId: 'cus_1',
  contractId: 'con_1',
  subscriptionId: 'sub_1',
  subscriptionVersion: 3,
  plan: charge.plan,
  planVersion: charge.planVersion,
  price: charge.price,
  meter: charge.meter,
  chargeKind: charge.kind,
  timing: charge.timing,
  fromNs: charge.fromNs,
  untilNs: charge.untilNs,
  serviceDays: { first: '2026-01-31', last: '2026-02-28' },
  timezone: charge.timezone,
  performanceObligation: 'platform',
  correlationId: 'corr-7',
  source: { billingRunId: 'run_1', batchId: batch.batchId, releaseId: '' },
  schedule: [
    {
      month: '2026-01-01',
      fromNs: charge.fromNs,
      untilNs: nsOf(Date.UTC(2026, 1, 1)),
      amount: 3_540000000000n,
    },
    {
      month: '2026-02-01',
      fromNs: nsOf(Date.UTC(2026, 1, 1)),
      untilNs: charge.untilNs,
      amount: 95_460000000000n,
    },
  ],
}

/** The first month of that entry becomes revenue, in a period that takes it on another day. */
const release: JournalEntry = {
  ...(({ schedule: _, ...rest }) => rest)(entry),
  journalId: 'rl_1',
  idempotencyKey: 'rl_1',
  kind: 'release',
  accountingDate: '2026-02-01',
  movedFrom: '2026-01-31',
  lines: [
    { account: '2400', role: 'deferred_revenue', debit: 3_540000000000n, credit: 0n, segments: new Map() },
    { account: '4000', role: 'revenue', debit: 0n, credit: 3_540000000000n, segments: new Map() },
  ],
  untilNs: nsOf(Date.UTC(2026, 1, 1)),
  serviceDays: { first: '2026-01-31', last: '2026-01-31' },
  source: { billingRunId: 'run_1', batchId: batch.batchId, releaseId: 'ro_1' },
  releases: { journalId: 'je_1', part: 1, month: '2026-01-01' },
}

const ratedUsage: RatedUsageRow = {
  eventSource: 'api',
  eventId: 'e1',
  eventType: 'llm.request',
  eventTimeNs: nsOf(Date.UTC(2026, 1, 1, 0, 0, 0, 1)),
  ingestedAtMs: Date.UTC(2026, 1, 1, 0, 0, 1),
  ratedAtMs: Date.UTC(2026, 1, 1, 0, 0, 2),
  customerId: 'cus_1',
  pinnedSubscriptionId: '',
  subscriptionId: 'sub_1',
  subscriptionVersion: 3,
  plan: 'pro',
  planVersion: 1,
  price: 'tokens',
  meter: 'tokens_in',
  chargeId: charge.chargeId,
  periodFromNs: charge.fromNs,
  periodUntilNs: charge.untilNs,
  value: '5',
  quantity: 5_000000000000n,
  amount: 15000000n,
  currency: 'EUR',
  entityId: 'de',
  kind: 'usage',
  eventCount: 1,
  dimensions: new Map([['model', 'größe']]),
  correlationId: 'corr-7',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  inputStream: 'METERING',
  inputSequence: 4711,
  partition: 2,
  ledgerSequence: 17,
}

const deadLetter = {
  eventSource: 'api',
  eventId: 'e2',
  code: 'no_matrix_cell',
  detail: 'No cell for model=tiny.',
  correlationId: 'corr-7',
  payload: '{}',
}

test.each<[string, unknown, { safeParse: (value: unknown) => { success: boolean } } | undefined]>([
  ['charge.json', chargeToWire(charge), chargeSchema],
  ['mrr-movement.json', movementToWire(movement), mrrMovementSchema],
  ['billing-batch.json', batchToWire(batch), billingBatchSchema],
  ['journal-entry.json', journalToWire(entry), journalEntrySchema],
  ['journal-entry-release.json', journalToWire(release), journalEntrySchema],
  ['dead-letter.json', deadLetterToWire(deadLetter), deadLetterSchema],
  ['rated-usage.json', rowToWire(ratedUsageTable, ratedUsage), undefined],
])('%s is what we write, and what its schema takes', (name, wire, schema) => {
  expect(wire).toEqual(golden(name))
  if (schema !== undefined) expect(schema.safeParse(golden(name))).toMatchObject({ success: true })
})

test('a charge and a batch are read back equal', () => {
  expect(chargeFromWire(golden('charge.json'))).toEqual({ kind: 'ok', value: charge })
  expect(batchFromWire(golden('billing-batch.json'))).toEqual({ kind: 'ok', value: batch })
})

test('a batch that was tampered with contradicts its control totals', () => {
  expect(batchProblems(batch)).toEqual([])
  const [first, second] = batch.lines as [Charge, Charge]
  const tampered = { ...batch, lines: [{ ...first, amount: first.amount + 1n }, second] }
  expect(batchProblems(tampered)).toEqual([
    'amount_total is not the sum of the amounts',
    'sha256 is not that of the lines',
  ])
  expect(batchFromWire(batchToWire(tampered))).toMatchObject({ kind: 'rejected' })
  expect(batchProblems({ ...batch, lines: [second, first] })).toEqual(['sha256 is not that of the lines'])
  expect(batchProblems(sealBatch({ ...batch, currency: 'USD' }))).toHaveLength(2)
})

test('an entry that was posted before it said its kind and plan is read, with what it did not say empty', () => {
  const {
    kind,
    plan,
    plan_version,
    price,
    meter,
    charge_kind,
    timing,
    timezone,
    service_days,
    corrects,
    ...old
  } = golden('journal-entry.json') as Record<string, unknown>
  const lines = (old['lines'] as Record<string, unknown>[]).map(({ role: _, ...line }) => line)
  const read = journalEntrySchema.parse({ ...old, lines, source: { billing_run_id: 'run_1', batch_id: 'b' } })
  expect(read).toMatchObject({ kind: 'journal', plan: '', charge_kind: '', source: { release_id: '' } })
})

test('an unbalanced entry is seen', () => {
  expect(journalProblems(entry)).toEqual([])
  const [debit, credit] = entry.lines as [JournalEntry['lines'][0], JournalEntry['lines'][0]]
  expect(journalProblems({ ...entry, lines: [debit, { ...credit, credit: 1n }] })).toHaveLength(2)
  expect(journalProblems({ ...entry, lines: [debit] })).toContain('an entry has at least two lines')
  expect(journalProblems({ ...entry, lines: [debit, { ...credit, debit: -1n }] })).not.toEqual([])
  expect(journalProblems({ ...entry, schedule: [] })).toEqual(['the schedule adds up to 0, not to 99'])
})

test.each([
  ['cloud-event.json', 'application/cloudevents+json', 1],
  ['cloud-events-batch.json', 'application/cloudevents-batch+json', 3],
  ['cloud-events.json', 'application/json', 3],
  ['cloud-events.ndjson', 'application/x-ndjson', 3],
])('%s is a message of %s', (name, contentType, count) => {
  for (const type of [contentType, undefined]) {
    const message = parseMessage(bytesOf(name), type)
    if (message.kind === 'rejected') throw new Error(message.rejection.detail)
    expect(message.events).toHaveLength(count)
    for (const event of message.events) {
      if (event.kind === 'rejected') throw new Error(event.rejection.detail)
      expect(validateEvent(event.value, 0)).toMatchObject({ kind: 'ok' })
      expect(cloudEventSchema.safeParse(event.value)).toMatchObject({ success: true })
    }
  }
})

test('the schema of the catalog takes the golden one', () => {
  expect(catalogSchema.safeParse(golden('catalog.json'))).toMatchObject({ success: true })
})

test('the JSON Schema files are current: npm run build, then node dist/schemas/json-schema/write-json-schemas.js', () => {
  const folder = new URL('schemas/json-schema/', packageRoot)
  const expected = jsonSchemas()
  expect(
    readdirSync(folder)
      .filter(name => name.endsWith('.json'))
      .sort(),
  ).toEqual([...expected.keys()].map(name => `${name}.json`).sort())
  for (const [name, schema] of expected) {
    const file: unknown = JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'))
    expect(file, name).toEqual(JSON.parse(JSON.stringify(schema)))
  }
})
