// The list of what peers say: how a price is expressed in another billing system, the same in a catalog of ours, and the
// figure that it comes to. One file of YAML for each row of contract 9.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { parseCatalogValue } from '../../../schemas/catalog/catalog-parser.js'
import { formatScaled } from '../../../schemas/money/decimal.js'
import { packageRoot } from '../../../schemas/package-root.js'
import { nsOf } from '../../../schemas/time.js'
import { simulate } from '../../simulate/simulate.js'

const record = z.record(z.string(), z.unknown())
const usage = z.strictObject({
  type: z.string(),
  data: record.default({}),
  times: z.int().default(1),
  /** Absent: within the first hours. */
  at: z.string().optional(),
})

const expression = z
  .strictObject({
    peer: z.string(),
    /** In the peer's words for it. */
    says: z.string(),
    source: z.string(),
    /** What the source says of amounts; absent: the figure is worked out by hand. */
    figure: z.string().optional(),
    start: z.string().default('2026-01-01T00:00:00Z'),
    anchor: z.string().optional(),
    as_of: z.string().default('2026-02-01T00:00:00Z'),
    meters: z.array(record).default([]),
    plan: record,
    catalog_coupons: z.array(record).optional(),
    quantities: z.record(z.string(), z.string()).optional(),
    coupons: z.array(z.string()).optional(),
    usage: usage.optional(),
    usages: z.array(usage).default([]),
    /** Further events of the subscription `sub-1` of `acme`. */
    events: z.array(z.strictObject({ type: z.string(), data: record })).default([]),
    /** By price, what all charges that began before `as_of` come to. */
    owed: z.record(z.string(), z.string()).optional(),
    /** Instead of `owed`, where we share an amount between prices otherwise. */
    total: z.string().optional(),
  })
  .refine(({ owed, total }) => (owed === undefined) !== (total === undefined), 'One of owed and total.')
export type PeerExpression = z.infer<typeof expression>

export interface PeerRow {
  readonly file: string
  /** From the file's first line. */
  readonly title: string
  readonly expressions: readonly PeerExpression[]
}

/** They lie beside the sources; tests run from there too. */
const folder = fileURLToPath(new URL('pipeline/testing/peers/', packageRoot))

export function peerRows(): PeerRow[] {
  const files = readdirSync(folder).filter(name => name.endsWith('.yaml'))
  const number = (name: string) => Number(/^row-(\d+)-/.exec(name)?.[1])
  return files
    .sort((a, b) => number(a) - number(b))
    .map(file => {
      const text = readFileSync(join(folder, file), 'utf8')
      const title = text.split('\n', 1)[0]!.replace(/^# Row \d+ of contract 9: /, '')
      return { file, title, expressions: z.array(expression).parse(parse(text)) }
    })
}

const usualMeters = [
  { meter: 'calls', event_type: 'api.call', aggregation: 'count' },
  { meter: 'tokens', event_type: 'llm.request', aggregation: 'sum', value: 'tokens' },
]

/** What is wrong with the catalog, one line each. */
export function faultsOf(one: PeerExpression): string[] {
  const parsed = parseCatalogValue(catalogOf(one))
  return parsed.kind === 'ok'
    ? []
    : parsed.problems.map(({ path, code, message }) => `${path} ${code}: ${message}`)
}

/** What the expression comes to, in the form of `owed`; prices that owe nothing are left out unless they are asked for. */
export function owedBy(one: PeerExpression): {
  readonly owed: Record<string, string>
  readonly total: string
} {
  const parsed = parseCatalogValue(catalogOf(one))
  if (parsed.kind === 'invalid') throw new Error(faultsOf(one).join('\n'))
  const result = simulate({
    catalog: parsed.catalog,
    bodies: [Buffer.from(JSON.stringify(eventsOf(one)))],
    asOfNs: nsOf(Date.parse(one.as_of)),
    nowMs: Date.parse(one.as_of),
  })
  const refused = result.deadLetters.map(({ code, detail }) => `${code}: ${detail}`)
  if (refused.length > 0) throw new Error(refused.join('\n'))
  const sums = new Map<string, bigint>()
  for (const { price, amount } of result.charges) sums.set(price, (sums.get(price) ?? 0n) + amount)
  const total = [...sums.values()].reduce((sum, amount) => sum + amount, 0n)
  const shown = [...sums].filter(([price, amount]) => amount !== 0n || one.owed?.[price] !== undefined)
  return {
    owed: Object.fromEntries(shown.map(([price, sum]) => [price, formatScaled(sum)])),
    total: formatScaled(total),
  }
}

function catalogOf({ meters, plan, catalog_coupons: coupons }: PeerExpression) {
  return {
    meters: [...usualMeters, ...meters],
    plans: [{ plan: 'plan', version: 1, currency: 'USD', ...plan }],
    ...(coupons === undefined ? {} : { coupons }),
  }
}

function eventsOf(one: PeerExpression): object[] {
  const { start, anchor, quantities, coupons, usage: single, usages, events } = one
  const envelope = { specversion: '1.0', source: '/peers', subject: 'acme', time: start }
  const created = {
    ...{ subscription_id: 'sub-1', customer_id: 'acme', sequence: 1, plan: 'plan', effective_from: start },
    ...(anchor === undefined ? {} : { billing_anchor: anchor }),
    ...(quantities === undefined ? {} : { quantities }),
    ...(coupons === undefined ? {} : { coupons }),
  }
  const used = [...(single === undefined ? [] : [single]), ...usages].flatMap(({ type, data, times, at }) =>
    Array.from({ length: times }, () => ({ type, data, at })),
  )
  const timeOf = (index: number) => new Date(Date.parse(start) + 3_600_000 + index * 1_000).toISOString()
  return [
    { ...envelope, id: 'created', type: 'weir.subscription.created', data: created },
    ...events.map((event, index) => ({ ...envelope, id: `event-${index}`, ...event })),
    ...used.map(({ at, ...event }, index) => ({
      ...envelope,
      id: `usage-${index}`,
      ...event,
      time: at ?? timeOf(index),
    })),
  ]
}

/** The page of docs. */
export function peersPage(rows: readonly PeerRow[]): string {
  const all = rows.flatMap(({ expressions }) => expressions)
  const parts = rows.flatMap(({ file, title, expressions }) => [
    `## ${title[0]!.toUpperCase()}${title.slice(1)}`,
    `Catalogs: [${file}](../pipeline/testing/peers/${file}).`,
    [
      '| peer | says | comes to | of the source | source |',
      '|---|---|---|---|---|',
      ...expressions.map(one =>
        ['', one.peer, one.says, comesTo(one), one.figure ?? 'worked out by hand', one.source, '']
          .map(cell => cell.replaceAll('|', '\\|'))
          .join(' | ')
          .trim(),
      ),
    ].join('\n'),
  ])
  return `${[
    '# How peers say it',
    `${all.length} ways in which ${new Set(all.map(({ peer }) => peer)).size} other billing systems express a price, each as a catalog of ours that is ` +
      'accepted and comes to the figure, in a test (`pipeline/testing/peers`). Where the source gives a figure, it is told; else the figure is ' +
      'worked out by hand from its rule. Amounts are all charges that began before the instant of the entry, by price.',
    'This page is written by `WEIR_WRITE_PEERS=1 npx vitest run pipeline/testing/peers`.',
    ...parts,
  ].join('\n\n')}\n`
}

function comesTo({ owed, total }: PeerExpression): string {
  if (owed === undefined) return `${total} in all`
  const prices = Object.entries(owed).map(([price, amount]) => `${price} ${amount}`)
  return prices.length === 0 ? 'nothing' : prices.join(', ')
}
