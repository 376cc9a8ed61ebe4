// Reads the figures of a period: the business ones from kpi_daily, the technical ones from this process's metrics, each
// held against its target.
//
// Invariant: a figure that nothing tells of is not known: its value is null, and never 0.

import type { ClickHouseClient } from '@clickhouse/client'
import { Decimal } from 'decimal.js'
import type { Registry } from 'prom-client'
import { type FigureDefinition, type FigureName, figures, type Unit } from './figures.js'
import type { Targets } from './settings.js'

/** One figure as the API shows it. */
export interface Kpi {
  readonly kpi: FigureName
  readonly title: string
  readonly unit: Unit
  /** Of money; else empty. */
  readonly currency: string
  /** Null: not known. */
  readonly value: string | null
  /** The slowest case, where the figure is a time. */
  readonly worst: string | null
  /** How many cases, or how much money, the value was made from; null for figures of metrics. */
  readonly out_of: string | null
  readonly target: string
  /** Null while the value is not known. */
  readonly on_target: boolean | null
  /** What would tell of it, where it is not known; else empty. */
  readonly not_known: string
}

export interface KpiReader {
  readonly queries: ClickHouseClient
  readonly registry: Registry
  readonly targets: Targets
}

/** `days`: how many days back, today included. */
export async function readKpis(
  reader: KpiReader,
  names: readonly FigureName[],
  days: number,
): Promise<readonly Kpi[]> {
  const isBusiness = names.some(name => figures[name].from === 'kpi_daily')
  const sums = isBusiness ? await readSums(reader.queries, days) : new Map<string, readonly Sums[]>()
  const all: Kpi[] = []
  for (const name of names) {
    const { from } = figures[name]
    if (from === 'kpi_daily') all.push(...ofView(name, sums.get(name) ?? [], reader.targets[name]))
    else all.push(ofMetric(name, await readMetric(reader.registry, from), reader.targets[name]))
  }
  return all
}

interface Sums {
  readonly currency: string
  readonly numerator: Decimal
  readonly denominator: Decimal
  readonly worst: Decimal | undefined
}

async function readSums(queries: ClickHouseClient, days: number): Promise<Map<string, readonly Sums[]>> {
  const result = await queries.query({
    query: `
      SELECT kpi, if(unit = 'money', currency, '') AS of, toString(sum(numerator)) AS numerator,
        toString(sum(denominator)) AS denominator, toString(max(worst)) AS worst
      FROM kpi_daily
      WHERE day > toDate32(now('UTC'), 'UTC') - {days: UInt32}
      GROUP BY kpi, of
      ORDER BY kpi, of`,
    query_params: { days },
    format: 'JSONEachRow',
  })
  const found = new Map<string, Sums[]>()
  for (const row of await result.json<Record<string, string | null>>()) {
    const sums = {
      currency: row['of'] ?? '',
      numerator: new Decimal(row['numerator'] ?? 0),
      denominator: new Decimal(row['denominator'] ?? 0),
      worst: row['worst'] === null || row['worst'] === undefined ? undefined : new Decimal(row['worst']),
    }
    const name = row['kpi'] ?? ''
    found.set(name, [...(found.get(name) ?? []), sums])
  }
  return found
}

function ofView(name: FigureName, sums: readonly Sums[], target: string): readonly Kpi[] {
  if (sums.length === 0) return [unknown(name, target)]
  const { unit } = figures[name]
  const isPlain = unit === 'items' || unit === 'money'
  return sums.map(({ currency, numerator, denominator, worst }) => {
    if (!isPlain && denominator.isZero()) return unknown(name, target)
    const value = isPlain ? numerator : numerator.div(denominator).toDecimalPlaces(12, Decimal.ROUND_HALF_UP)
    return {
      ...known(name, target, value),
      currency,
      worst: worst?.toFixed() ?? null,
      out_of: denominator.toFixed(),
    }
  })
}

function ofMetric(name: FigureName, value: number | undefined, target: string): Kpi {
  if (value === undefined) return unknown(name, target)
  const places = figures[name].unit === 'seconds' ? 3 : 0
  return known(name, target, new Decimal(value).toDecimalPlaces(places))
}

async function readMetric(
  registry: Registry,
  { metric, take }: Exclude<FigureDefinition['from'], 'kpi_daily'>,
): Promise<number | undefined> {
  const found = await registry.getSingleMetric(metric)?.get()
  const values = (found?.values ?? []).map(({ value }) => value)
  if (values.length === 0) return undefined
  return take === 'sum' ? values.reduce((sum, value) => sum + Math.abs(value), 0) : Math.max(...values)
}

function known(name: FigureName, target: string, value: Decimal): Kpi {
  const { better } = figures[name]
  const isOn = better === 'at_least' ? value.gte(target) : value.lte(target)
  return { ...unknown(name, target), value: value.toFixed(), on_target: isOn, not_known: '' }
}

function unknown(kpi: FigureName, target: string): Kpi {
  const { title, unit, source } = figures[kpi]
  const nothing = { currency: '', value: null, worst: null, out_of: null }
  return { kpi, title, unit, ...nothing, target, on_target: null, not_known: `nothing yet of: ${source}` }
}
