// What the tests of the core share: a small catalog, one-line events, and a core that is driven until it asks
// for nothing.

import { parseCatalogValue } from '../../schemas/catalog/catalog-parser.js'
import { stringifyJson } from '../../schemas/json/json-text.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import type {
  ChargeRow,
  DeadLetterRow,
  EventOutcomeRow,
  MrrMovementRow,
  RatedUsageRow,
  SubscriptionVersionRow,
} from '../../schemas/tables.js'
import { formatInstant, parseInstant } from '../../schemas/time.js'
import { type BillingRunOrder, type CoreConfig, type CoreOutput, PartitionCore } from '../core/core.js'
import { unlimitedCoreLimits } from '../core/ports/core-limits.js'
import { MemoryHistory } from '../core/re-rate/memory-history.js'
import { PartitionState } from '../core/state/partition-state.js'

export const testCatalog = {
  meters: [
    { meter: 'calls', event_type: 'api.call', aggregation: 'count' },
    { meter: 'tokens', event_type: 'api.call', aggregation: 'sum', value: 'tokens', dimensions: ['model'] },
    { meter: 'storage', event_type: 'disk', aggregation: 'time_average', value: 'gb' },
    { meter: 'stored', event_type: 'store', aggregation: 'weighted_sum', value: 'gb', dimensions: ['zone'] },
  ],
  plans: [
    {
      plan: 'pro',
      version: 1,
      currency: 'USD',
      billing_period: 'month',
      prices: [
        { price: 'base', kind: 'recurring', amount: '30', per: 'subscription', timing: 'in_advance' },
        { price: 'tokens', kind: 'usage', meter: 'tokens', model: 'per_unit', unit_amount: '0.5' },
        { price: 'store', kind: 'usage', meter: 'stored', model: 'per_unit', unit_amount: '1' },
      ],
    },
    {
      plan: 'max',
      version: 1,
      currency: 'USD',
      billing_period: 'month',
      prices: [
        { price: 'seats', kind: 'recurring', amount: '10', per: 'unit', timing: 'in_advance' },
        { price: 'tokens', kind: 'usage', meter: 'tokens', model: 'per_unit', unit_amount: '2' },
        { price: 'disk', kind: 'usage', meter: 'storage', model: 'per_unit', unit_amount: '1' },
      ],
    },
  ],
}

export type TestEvent = Record<string, unknown>

let counter = 0

export function usage(time: string, tokens: unknown, more: TestEvent = {}): TestEvent {
  counter += 1
  return {
    specversion: '1.0',
    id: `u${counter}`,
    source: 'api',
    type: 'api.call',
    subject: 'cus_1',
    time,
    data: { tokens },
    ...more,
  }
}

export function change(kind: string, sequence: number, from: string, data: TestEvent = {}): TestEvent {
  counter += 1
  return {
    specversion: '1.0',
    id: `c${counter}`,
    source: 'crm',
    type: `weir.subscription.${kind}`,
    subject: 'cus_1',
    time: '2026-01-01T00:00:00Z',
    data: {
      subscription_id: 'sub_1',
      customer_id: 'cus_1',
      sequence,
      effective_from: from,
      ...data,
    },
  }
}

export const created = (data: TestEvent = {}) =>
  change('created', 1, '2026-01-01T00:00:00Z', { plan: 'pro', ...data })

export const arrivalMs = Date.UTC(2026, 0, 20)

/** A core, the rows that it wrote, and a history kept in memory. */
export class TestBench {
  readonly rated: RatedUsageRow[] = []
  readonly deadLetters: DeadLetterRow[] = []
  readonly outcomes: EventOutcomeRow[] = []
  readonly movements: MrrMovementRow[] = []
  readonly versions: SubscriptionVersionRow[] = []
  readonly charges: ChargeRow[] = []
  readonly memory = new MemoryHistory()
  readonly config: CoreConfig
  core: PartitionCore
  commit = 0
  last: CoreOutput | undefined

  constructor(limits: Partial<CoreConfig['limits']> = {}, at: Partial<CoreConfig> = {}) {
    this.config = {
      partition: 0,
      partitions: 1,
      oneSource: true,
      ...at,
      limits: { ...unlimitedCoreLimits, ...limits },
    }
    const parsed = parseCatalogValue(testCatalog)
    if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
    const state = new PartitionState(this.config.limits.dedupeHorizonMs)
    state.catalog = parsed.catalog
    this.core = new PartitionCore(this.config, this.tap(), state)
  }

  tap() {
    return {
      deadLetter: (row: DeadLetterRow) => this.deadLetters.push(row),
      outcome: (row: EventOutcomeRow) => this.outcomes.push(row),
      movement: (row: MrrMovementRow) => this.movements.push(row),
      version: (row: SubscriptionVersionRow) => this.versions.push(row),
      charge: (row: ChargeRow) => this.charges.push(row),
      rated: (row: RatedUsageRow) => {
        this.rated.push(row)
        this.memory.add(row)
      },
    }
  }

  /** One process() call. */
  send(events: readonly unknown[], nowMs = arrivalMs, orders: readonly BillingRunOrder[] = []): CoreOutput {
    return this.process(events, nowMs, orders, [])
  }

  /** Tells the core that its handovers were published. */
  handedOver(keys: readonly string[], nowMs = arrivalMs): void {
    this.commit += 1
    const none = { catalog: [], lifecycle: [], metering: [], orders: [], history: [] }
    this.core.process({ nowMs, commit: this.commit, ...none, handedOver: keys })
  }

  /** Answers every request of the core. */
  answer(nowMs = arrivalMs): CoreOutput | undefined {
    while (this.core.holdsCustomers()) {
      const answers = this.core.openHistoryRequests().map(request => this.memory.answer(request))
      this.process([], nowMs, [], answers)
    }
    return this.last
  }

  sum(chargeId?: string): string {
    const rows = this.rated.filter(row => chargeId === undefined || row.chargeId === chargeId)
    return formatScaled(rows.reduce((total, row) => total + row.amount, 0n))
  }

  /** Amounts by price and start, as of an instant. */
  owed(asOf: string): Record<string, string> {
    const charges = this.core.charges(parseInstant(asOf)!)
    return Object.fromEntries(
      charges.map(one => [
        `${one.price} ${formatInstant(one.fromNs).slice(0, 10)}`,
        formatScaled(one.amount),
      ]),
    )
  }

  codes(): string[] {
    return this.deadLetters.map(row => `${row.eventCount > 0 ? '+' : '-'}${row.code}`)
  }

  private process(
    events: readonly unknown[],
    nowMs: number,
    orders: readonly BillingRunOrder[],
    history: Parameters<PartitionCore['process']>[0]['history'],
  ): CoreOutput {
    this.commit += 1
    const bytes = Buffer.from(stringifyJson(events))
    const metering = events.length === 0 ? [] : [{ seq: this.commit, arrivedAtMs: nowMs, bytes }]
    this.last = this.core.process({
      nowMs,
      commit: this.commit,
      catalog: [],
      lifecycle: [],
      metering,
      orders,
      history,
    })
    return this.last
  }
}
