// The report of a replay: what was compared, and the sums by price and by currency over all partitions that are done.
// Invariant: sums are exact; they count every charge of the stretch, those that do not differ too.

import { z } from 'zod'
import { compositeKey } from '../../schemas/identifiers.js'
import { formatScaled, parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import { planChangeSchema } from './plan-changes.js'
import { keptRequestSchema } from './replay-request.js'
import { type PartitionEnd, type PriceLine, priceLineSchema, type ReplayStore } from './replay-store.js'

export const reportSchema = z
  .object({
    request: keptRequestSchema.omit({ catalog: true }),
    plan_changes: z.array(planChangeSchema),
    partitions: z
      .array(z.object({ partition: z.int(), commit: z.int() }))
      .describe('Those that are done, each with the commit that both sides are of'),
    is_whole: z.boolean().describe('All partitions are done'),
    customers_changed: z.int(),
    totals: z.array(priceLineSchema.omit({ by: true, plan: true, price: true })).describe('By currency'),
    prices: z.array(priceLineSchema),
    events: z
      .record(z.string(), z.number())
      .describe('What became of the usage that was read, by disposition'),
    refused: z.record(z.string(), z.number()).describe('Usage that the replay refused, by code'),
  })
  .meta({ id: 'ReplayReport' })
export type ReplayReport = z.infer<typeof reportSchema>

/** `asked`: the request as a record keeps it, with `plan_changes`. */
export async function reportOf(
  store: ReplayStore,
  jobId: string,
  asked: unknown,
  partitions: readonly number[],
): Promise<ReplayReport> {
  const { catalog: _, ...request } = keptRequestSchema.parse(asked)
  const ends = await endsOf(store, jobId, partitions)
  const prices = pricesOf(ends)
  const changes = z.object({ plan_changes: z.array(planChangeSchema) }).safeParse(asked)
  return {
    request,
    plan_changes: changes.data?.plan_changes ?? [],
    partitions: ends.map(({ partition, commit }) => ({ partition, commit })),
    is_whole: ends.length === partitions.length,
    customers_changed: ends.reduce((sum, { customers }) => sum + customers, 0),
    totals: sumsByCurrency(prices),
    prices,
    events: countsOf(ends.map(({ events }) => events)),
    refused: countsOf(ends.map(({ refused }) => refused)),
  }
}

export async function endsOf(
  store: ReplayStore,
  jobId: string,
  partitions: readonly number[],
): Promise<readonly PartitionEnd[]> {
  const ends = await Promise.all(partitions.map(partition => store.end(jobId, partition)))
  return ends.filter(end => end !== undefined)
}

/** The sums of each price over all partitions. */
export function pricesOf(ends: readonly PartitionEnd[]): PriceLine[] {
  return addUpPrices(ends.flatMap(({ prices }) => prices))
}

export function addUpPrices(lines: readonly PriceLine[]): PriceLine[] {
  return addUp(lines, ({ plan, price, currency }) => compositeKey(plan, price, currency))
}

export type SumsByCurrency = ReplayReport['totals'][number]

export function sumsByCurrency(prices: readonly PriceLine[]): SumsByCurrency[] {
  return addUp(prices, ({ currency }) => currency).map(({ by: _, plan: __, price: ___, ...sums }) => sums)
}

const sums = [
  'amount_before',
  'amount_after',
  'amount_change',
  'amount_rounded_before',
  'amount_rounded_after',
  'amount_rounded_change',
] as const

function addUp(lines: readonly PriceLine[], keyOf: (line: PriceLine) => string): PriceLine[] {
  const byKey = new Map<string, PriceLine>()
  for (const line of lines) {
    const key = keyOf(line)
    const known = byKey.get(key)
    if (known === undefined) {
      byKey.set(key, { ...line })
      continue
    }
    known.charges += line.charges
    known.changed += line.changed
    for (const name of sums) known[name] = formatScaled(scaled(known[name]) + scaled(line[name]))
  }
  const order = ({ plan, price, currency }: PriceLine) => `${plan}\n${price}\n${currency}`
  return [...byKey.values()].sort((a, b) => (order(a) < order(b) ? -1 : 1))
}

function scaled(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(`${text} was written as a decimal`)
  return parsed.value
}

function countsOf(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const one of all)
    for (const [name, count] of Object.entries(one)) counts[name] = (counts[name] ?? 0) + count
  return counts
}
