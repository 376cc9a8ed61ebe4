// Compares the two ways of rating usage over random histories: the same rows, dead letters and state.
import { deserialize } from 'node:v8'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseCatalogValue } from '../../../schemas/catalog/catalog-parser.js'
import type { DeadLetterRow, RatedUsageRow } from '../../../schemas/tables.js'
import { nsOf } from '../../../schemas/time.js'
import { arrivalMs, change, type TestEvent } from '../../testing/core-fixture.js'
import { type CoreInput, PartitionCore, type RowTap } from '../core.js'
import { defaultCoreLimits } from '../ports/core-limits.js'
import { MemoryHistory } from '../re-rate/memory-history.js'
import { PartitionState } from '../state/partition-state.js'
import { piecesOf } from '../state/state-pieces.js'
import { none } from '../state/usage-routes.js'

// Two cores take the same messages. One gets them as they are. The other gets them with a meaningless
// attribute given twice, so that every event is parsed, and its state keeps no route, so that every event is
// rated as an object.

/** For runs of many thousands. */
const generousMs = 600_000

const dimensions = ['model', 'place.region']
const usagePrice = (price: string, meter: string, model: object) => ({
  price,
  kind: 'usage',
  meter,
  ...model,
})
const catalog = {
  meters: [
    { meter: 'calls', event_type: 'llm', aggregation: 'count', dimensions },
    { meter: 'tokens', event_type: 'llm', aggregation: 'sum', value: 'tokens', dimensions },
    {
      meter: 'eu',
      event_type: 'eu',
      aggregation: 'sum',
      value: 'n',
      filters: { region: ['eu', '7', 'true'] },
    },
    { meter: 'peak', event_type: 'eu', aggregation: 'max', value: 'n', allow_negative: true },
    { meter: 'low', event_type: 'low', aggregation: 'min', value: 'n', dimensions: ['model'] },
    { meter: 'users', event_type: 'users', aggregation: 'unique_count', value: 'user' },
    { meter: 'level', event_type: 'level', aggregation: 'time_average', value: 'n' },
    { meter: 'unpriced', event_type: 'low', aggregation: 'count' },
    { meter: 'hits', event_type: 'units', aggregation: 'count' },
    { meter: 'units', event_type: 'units', aggregation: 'sum', value: 'n', allow_negative: true },
  ],
  plans: [
    {
      plan: 'a',
      version: 1,
      currency: 'USD',
      billing_period: 'week',
      prices: [
        usagePrice('calls', 'calls', { model: 'package', package_size: '3', package_amount: '1' }),
        usagePrice('tokens', 'tokens', { model: 'per_unit', unit_amount: '0.0000025', included: '10' }),
        usagePrice('eu', 'eu', {
          model: 'graduated',
          tiers: [
            { up_to: '5', unit_amount: '1', flat_amount: '2' },
            { up_to: null, unit_amount: '0.333333333333' },
          ],
          minimum: '3',
        }),
        usagePrice('peak', 'peak', { model: 'per_unit', unit_amount: '1' }),
        usagePrice('users', 'users', { model: 'per_unit', unit_amount: '1' }),
        usagePrice('level', 'level', { model: 'per_unit', unit_amount: '1' }),
        usagePrice('hits', 'hits', { model: 'per_unit', unit_amount: '0.37', included: '4' }),
        usagePrice('units', 'units', {
          model: 'graduated',
          tiers: [
            { up_to: '6', unit_amount: '1', flat_amount: '2' },
            { up_to: '20', unit_amount: '0.333333333333' },
            { up_to: null, unit_amount: '0.0000025', flat_amount: '5' },
          ],
        }),
      ],
    },
    {
      plan: 'b',
      version: 1,
      currency: 'EUR',
      billing_period: 'month',
      prices: [
        usagePrice('tokens', 'tokens', {
          model: 'matrix',
          cells: [{ when: { model: 'x' }, unit_amount: '2' }],
        }),
        usagePrice('low', 'low', { model: 'volume', tiers: [{ up_to: null, unit_amount: '2' }] }),
        usagePrice('twice', 'calls', { model: 'per_unit', unit_amount: '1', discount_percent: '50' }),
        usagePrice('share', 'eu', { model: 'percentage', rate: '2' }),
      ],
    },
  ],
}

const customers = ['plain', 'ünï cödé', 'nobody', 'two', 'late'] as const

const subscriptions: TestEvent[] = [
  subscription('plain', 'sub_plain', 'a'),
  subscription('ünï cödé', 'sub_uni', 'b'),
  subscription('two', 'sub_one', 'a'),
  subscription('two', 'sub_other', 'b', '2026-01-10T00:00:00Z'),
  subscription('late', 'sub_late', 'a', '2026-01-12T00:00:00Z'),
]

function subscription(
  customerId: string,
  subscriptionId: string,
  plan: string,
  from = '2026-01-01T00:00:00Z',
) {
  return lifecycle('created', customerId, subscriptionId, 1, from, { plan })
}

function lifecycle(
  kind: string,
  customerId: string,
  subscriptionId: string,
  sequence: number,
  from: string,
  data: TestEvent,
): TestEvent {
  const event = change(kind, sequence, from, {
    ...data,
    subscription_id: subscriptionId,
    customer_id: customerId,
  })
  return { ...event, subject: customerId }
}

const number = fc.oneof(
  fc.integer({ min: -3, max: 30 }),
  fc.constantFrom(0, 0.5, 0.1, 1e-7, 1e21, 123456789012345, 1234567.891, 1.5e-13),
  fc.constantFrom('3', '0.25', '007', '1e2', '1.50', '-0', '+4', '', 'x', '123456789012345678.5'),
  fc.constantFrom(null, true, [], {}),
)
const scalar = fc.constantFrom('x', 'eu', 'ü', '', 7, 1.5, 1e21, -2, true, false, null, {})
const data = fc.record(
  {
    tokens: number,
    n: number,
    user: scalar,
    model: scalar,
    region: scalar,
    place: fc.record({ region: scalar }),
  },
  { requiredKeys: [] },
)
const time = fc.oneof(
  fc.integer({ min: -30, max: 1 }).map(days => new Date(arrivalMs + days * 43_200_000).toISOString()),
  fc.constantFrom('2026-01-12T00:00:00Z', '2026-01-09T23:59:59.9999Z', '2025-11-01T00:00:00Z', 'yesterday'),
)
const usage = fc
  .record(
    {
      id: fc.integer({ min: 1, max: 25 }).map(String),
      source: fc.constantFrom('api', 'gw'),
      type: fc.constantFrom('llm', 'llm', 'eu', 'low', 'users', 'level', 'nobody.wants'),
      subject: fc.constantFrom(...customers),
      time,
      data,
      subscriptionid: fc.constantFrom('sub_one', 'sub_other'),
      correlationid: fc.constantFrom('', 'trace-1'),
      traceparent: fc.constant('00-abc'),
      datacontenttype: fc.constant('application/json'),
    },
    { requiredKeys: ['id', 'source', 'type', 'subject', 'data'] },
  )
  .map(event => ({ specversion: '1.0', ...event }) as TestEvent)

const amendment = fc.constantFrom<TestEvent>(
  lifecycle('amended', 'plain', 'sub_plain', 5, '2026-01-08T00:00:00Z', { plan: 'b' }),
  lifecycle('suspended', 'plain', 'sub_plain', 7, '2026-01-14T00:00:00Z', {}),
  lifecycle('resumed', 'plain', 'sub_plain', 8, '2026-01-15T00:00:00Z', {}),
  lifecycle('cancelled', 'two', 'sub_one', 2, '2026-01-13T00:00:00Z', {}),
  lifecycle('amended', 'late', 'sub_late', 3, '2026-01-20T12:00:00Z', { plan: 'b' }),
)
const retraction = fc
  .record({
    event_source: fc.constantFrom('api', 'gw'),
    event_id: fc.integer({ min: 1, max: 25 }).map(String),
  })
  .chain(taken => fc.constantFrom(...customers).map(subject => ({ taken, subject })))
  .map(({ taken, subject }) => ({
    specversion: '1.0',
    id: `r-${taken.event_source}-${taken.event_id}-${subject}`,
    source: 'crm',
    type: 'weir.usage.retracted',
    subject,
    data: taken,
  }))

const message = fc.record({
  usage: fc.array(usage, { maxLength: 12 }),
  changes: fc.array(fc.oneof(amendment, retraction), { maxLength: 1 }),
  isArray: fc.boolean(),
  isAnswered: fc.boolean(),
})

/** Whole units under plain prices, many per charge, with other events in between now and then. */
const units = fc
  .record({
    id: fc.integer({ min: 1, max: 900 }).map(String),
    subject: fc.constantFrom('plain', 'plain', 'late', 'two'),
    time: fc.constantFrom('2026-01-12T10:00:00Z', '2026-01-13T10:00:00Z', '2026-01-09T10:00:00Z'),
    n: fc.oneof(
      { weight: 12, arbitrary: fc.integer({ min: 0, max: 5 }) },
      { weight: 1, arbitrary: fc.constantFrom(0.5, -2, '3', '1e1', 9_007_199_253, 9_007_199_255) },
    ),
  })
  .map(
    ({ n, ...rest }) =>
      ({ specversion: '1.0', source: 'api', type: 'units', ...rest, data: { n } }) as TestEvent,
  )
const unitMessage = fc.record({
  usage: fc.array(units, { minLength: 10, maxLength: 60 }),
  changes: fc.array(fc.oneof(amendment, retraction), { maxLength: 1 }),
  isRestarted: fc.boolean(),
})

class Side {
  readonly rated: unknown[] = []
  readonly #refused: DeadLetterRow[] = []
  readonly #config = { partition: 0, partitions: 1, limits: defaultCoreLimits }
  readonly #tap: RowTap
  core: PartitionCore
  #commit = 0
  readonly #isPlain: boolean
  readonly #memory = new MemoryHistory()

  constructor(isPlain: boolean) {
    this.#isPlain = isPlain
    const parsed = parseCatalogValue(catalog)
    if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
    const state = new PartitionState(defaultCoreLimits.dedupeHorizonMs)
    state.catalog = parsed.catalog
    this.#tap = {
      rated: (row: RatedUsageRow) => {
        this.rated.push(row)
        this.#memory.add(row)
      },
      deadLetter: (row: DeadLetterRow) => this.#refused.push(row),
    }
    this.core = this.#coreOf(state)
  }

  #coreOf(state: PartitionState): PartitionCore {
    if (!this.#isPlain) state.routes.keep = () => none
    return new PartitionCore(this.#config, this.#tap, state)
  }

  restart(): void {
    const snapshot = this.core.snapshot()
    this.core = this.#coreOf(PartitionState.restore(defaultCoreLimits.dedupeHorizonMs, snapshot, []))
  }

  send(lifecycle: readonly TestEvent[], usage: readonly TestEvent[], isArray: boolean): void {
    const note = this.#isPlain ? '' : '"note":"A",'
    const texts = usage.map(event => JSON.stringify({ note: 'A', ...event }).replace('{', `{${note}`))
    const text = isArray ? `[${texts.join(', ')}]` : texts.join('\n')
    const arrived = (content: string) => ({ seq: 1, arrivedAtMs: arrivalMs, bytes: Buffer.from(content) })
    this.#process({
      lifecycle: lifecycle.length === 0 ? [] : [arrived(JSON.stringify(lifecycle))],
      metering: [arrived(text)],
    })
  }

  /** Hands in the history that the core asked for. */
  answer(): void {
    const history = this.core.openHistoryRequests().map(request => this.#memory.answer(request))
    this.#process({ history })
  }

  #process(input: Partial<CoreInput>): void {
    this.#commit += 1
    const nothing = { catalog: [], lifecycle: [], metering: [], orders: [], history: [] }
    this.core.process({ nowMs: arrivalMs, commit: this.#commit, ...nothing, ...input })
  }

  /** A message that is parsed as a whole may refuse its events in another order. */
  refused(): DeadLetterRow[] {
    const keyOf = (row: DeadLetterRow) =>
      JSON.stringify([row.ledgerSequence, row.eventSource, row.eventId, row.code, row.payload])
    return this.#refused.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  }

  state(): unknown {
    return Array.from(piecesOf(this.core.snapshot()), piece => deserialize(piece) as unknown)
  }
}

test(
  'usage that is added up comes to the same, row by row, as it does by way of objects',
  () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 6 }), messages => {
        const plain = new Side(true)
        const general = new Side(false)
        for (const side of [plain, general]) {
          side.send(subscriptions, [], true)
          for (const { changes, usage, isArray, isAnswered } of messages) {
            side.send(changes, usage, isArray)
            if (isAnswered) side.answer()
          }
          side.answer()
        }
        expectSame(plain, general)
      }),
      { numRuns: Number(process.env['WEIR_PLAIN_RUNS'] ?? 40) },
    )
  },
  generousMs,
)

test(
  'whole units that are added up without bigints come to the same, over tiers, corrections and restarts',
  () => {
    fc.assert(
      fc.property(fc.array(unitMessage, { minLength: 1, maxLength: 5 }), messages => {
        const plain = new Side(true)
        const general = new Side(false)
        for (const side of [plain, general]) {
          side.send(subscriptions, [], true)
          for (const { changes, usage, isRestarted } of messages) {
            side.send(changes, usage, false)
            side.answer()
            if (isRestarted) side.restart()
          }
        }
        expectSame(plain, general)
      }),
      { numRuns: Number(process.env['WEIR_PLAIN_RUNS'] ?? 40) },
    )
  },
  generousMs,
)

function expectSame(plain: Side, general: Side): void {
  expect(plain.rated).toEqual(general.rated)
  expect(plain.refused()).toEqual(general.refused())
  expect(plain.core.counters()).toEqual(general.core.counters())
  expect(plain.core.charges(nsOf(arrivalMs))).toEqual(general.core.charges(nsOf(arrivalMs)))
  expect(plain.state()).toEqual(general.state())
}
