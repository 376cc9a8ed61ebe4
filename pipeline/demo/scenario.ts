// The demo's world: customers, their plans, what they used, and what was amended too late.
// Invariant: everything follows from the row number by a fixed hash, so that every run sends the same events.

import { fnv1a32 } from '../../schemas/identifiers.js'

export type DemoPlan = 'starter' | 'pro' | 'scale'

export interface DemoCustomer {
  readonly customerId: string
  readonly subscriptionId: string
  readonly plan: DemoPlan
  readonly seats: number
  readonly fromMs: number
}

export interface DemoUsage {
  /** Position in `customers`. */
  readonly customer: number
  readonly timeText: string
  readonly timeMs: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly model: string
}

/** A change that the system of record reports after the usage it concerns. */
export interface DemoAmendment {
  readonly customer: number
  readonly effectiveFromMs: number
  readonly plan?: DemoPlan
  readonly seats: number
}

export interface Scenario {
  readonly title: string
  readonly fromMs: number
  readonly untilMs: number
  readonly customers: readonly DemoCustomer[]
  readonly usage: readonly DemoUsage[]
  readonly amendments: readonly DemoAmendment[]
}

/** One row of a trace: an inference call without a customer. */
export interface TraceRow {
  readonly timeText: string
  readonly timeMs: number
  readonly inputTokens: number
  readonly outputTokens: number
}

const models = ['gpt-oss-120b', 'llama-3.3-70b', 'mistral-small'] as const
const dayMs = 86_400_000

/** A number in [0, 1) that is fixed by its name. */
export function fixedRandom(name: string): number {
  return fnv1a32(`${name}#${fnv1a32(name)}`) / 2 ** 32
}

/** The scenario of a recorded trace, in the calendar month (UTC) of its first row. */
export function scenarioOfTrace(title: string, rows: readonly TraceRow[], customerCount: number): Scenario {
  const first = rows.reduce((least, row) => Math.min(least, row.timeMs), Number.POSITIVE_INFINITY)
  const last = rows.reduce((greatest, row) => Math.max(greatest, row.timeMs), Number.NEGATIVE_INFINITY)
  const usage = withCustomers(rows, customerCount)
  return scenario(title, usage, customerCount, first, Math.floor((first + last) / 2))
}

/** A month of traffic with the daily rhythm of an office: calls, each of some hundred to some thousand tokens. */
export function syntheticScenario(calls: number, customerCount: number): Scenario {
  const fromMs = Date.UTC(2025, 9, 1)
  const rows = Array.from({ length: calls }, (_, call): TraceRow => {
    const day = Math.floor(fixedRandom(`day ${call}`) * 31)
    const hour = 8 + (fixedRandom(`hour a ${call}`) + fixedRandom(`hour b ${call}`)) * 7
    const timeMs = fromMs + day * dayMs + Math.floor(hour * 3_600_000)
    return {
      timeMs,
      timeText: new Date(timeMs).toISOString(),
      inputTokens: 1 + Math.floor(50 * Math.exp(5 * fixedRandom(`input ${call}`))),
      outputTokens: 1 + Math.floor(10 * Math.exp(4 * fixedRandom(`output ${call}`))),
    }
  })
  const usage = withCustomers(rows, customerCount)
  return scenario('a month of synthetic LLM traffic', usage, customerCount, fromMs, fromMs + 15 * dayMs)
}

function scenario(
  title: string,
  usage: readonly DemoUsage[],
  customerCount: number,
  withinMonthMs: number,
  upgradeAtMs: number,
): Scenario {
  const within = new Date(withinMonthMs)
  const fromMs = Date.UTC(within.getUTCFullYear(), within.getUTCMonth(), 1)
  const untilMs = Date.UTC(within.getUTCFullYear(), within.getUTCMonth() + 1, 1)
  const customers = Array.from({ length: customerCount }, (_, rank) => customerOf(rank, fromMs))
  const seated = customers.findIndex((customer, rank) => rank > 0 && customer.plan === 'pro')
  return {
    title,
    fromMs,
    untilMs,
    customers,
    usage,
    amendments: [
      // The heaviest customer was upgraded in the middle of its usage; its record system says so afterwards.
      { customer: 0, effectiveFromMs: upgradeAtMs, plan: 'pro', seats: 4 },
      // Three more seats since the tenth, also told too late: the usage prices stay as they are.
      { customer: seated, effectiveFromMs: fromMs + 9 * dayMs, seats: (customers[seated]?.seats ?? 0) + 3 },
    ],
  }
}

function customerOf(rank: number, monthFromMs: number): DemoCustomer {
  const customerId = `cust-${String(rank + 1).padStart(4, '0')}`
  const draw = fixedRandom(`plan ${rank}`)
  const plan = rank === 0 || draw < 0.6 ? 'starter' : draw < 0.9 ? 'pro' : 'scale'
  return {
    customerId,
    subscriptionId: `sub-${customerId}`,
    plan,
    seats: plan === 'pro' ? 1 + Math.floor(fixedRandom(`seats ${rank}`) * 9) : 0,
    // Every seventh customer joined on the fifth and pays for the rest of the month.
    fromMs: rank % 7 === 3 ? monthFromMs + 4 * dayMs : monthFromMs,
  }
}

function withCustomers(rows: readonly TraceRow[], customerCount: number): DemoUsage[] {
  const cumulative = zipfCumulative(customerCount)
  const total = cumulative.at(-1) ?? 0
  return rows.map((row, index) => {
    const draw = fixedRandom(`row ${index}`) * total
    const rank = cumulative.findIndex(upTo => draw < upTo)
    // A customer who joined on the fifth has no earlier usage: those calls go to another customer.
    const customer = rank % 7 === 3 && new Date(row.timeMs).getUTCDate() < 5 ? rank - 3 : rank
    return { ...row, customer, model: models[Math.floor(fixedRandom(`model ${index}`) * 3)] ?? models[0] }
  })
}

/** Cumulative weights 1, 1 + 1/2, 1 + 1/2 + 1/3, …: customer k is drawn with the frequency 1/k (Zipf). */
function zipfCumulative(count: number): number[] {
  let sum = 0
  return Array.from({ length: count }, (_, rank) => (sum += 1 / (rank + 1)))
}
