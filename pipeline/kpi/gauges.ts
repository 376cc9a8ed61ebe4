// The figures as metrics, and the dead letters by code, from ClickHouse. How often they are read is bounded.

import type { ClickHouseClient } from '@clickhouse/client'
import type { Registry } from 'prom-client'
import { registerSlowGauges, type SlowSample } from '../feature/slow-gauges.js'
import { figureNames, figures, type Unit } from './figures.js'
import { type Kpi, type KpiReader, readKpis } from './read-kpis.js'
import { rolesOf } from './roles.js'

/** The metrics tell of the last days, today included; `weir kpi` tells of the same unless asked otherwise. */
export const defaultDays = 7
const daySeconds = 86_400
const kpisFreshMs = 300_000
const deadLettersFreshMs = 30_000

const metricOf: Readonly<Record<Unit, string>> = {
  ratio: 'weir_kpi_ratio',
  seconds: 'weir_kpi_seconds',
  items: 'weir_kpi_items',
  money: 'weir_kpi_money',
  days: 'weir_kpi_seconds',
}

export function registerKpiGauges(
  registry: Registry,
  reader: KpiReader,
  onTrouble: (error: unknown) => void,
): void {
  const business = figureNames.filter(name => figures[name].from === 'kpi_daily')
  registerSlowGauges(registry, {
    gauges: [
      {
        name: 'weir_kpi_ratio',
        help: 'Business figures that are ratios, of the last 7 days',
        labels: ['kpi'],
      },
      { name: 'weir_kpi_seconds', help: 'Business figures that are times, the mean', labels: ['kpi'] },
      { name: 'weir_kpi_items', help: 'Business figures that are counts', labels: ['kpi'] },
      {
        name: 'weir_kpi_money',
        help: 'Business figures that are money, to the precision of a double',
        labels: ['kpi', 'currency'],
      },
      {
        name: 'weir_kpi_off_target',
        help: '1 while a business figure misses its target of the settings, for each role that watches it',
        labels: ['kpi', 'role'],
      },
    ],
    read: async () => (await readKpis(reader, business, defaultDays)).flatMap(samplesOf),
    onTrouble,
    freshMs: kpisFreshMs,
  })
  registerSlowGauges(registry, {
    gauges: [
      { name: 'weir_dead_letters_open', help: 'Dead letters that were not freed, by code', labels: ['code'] },
    ],
    read: () => readDeadLetters(reader.queries),
    onTrouble,
    freshMs: deadLettersFreshMs,
  })
}

function samplesOf({ kpi, unit, currency, value, on_target: isOn }: Kpi): readonly SlowSample[] {
  if (value === null) return []
  const labels = unit === 'money' ? { kpi, currency } : { kpi }
  const scale = unit === 'days' ? daySeconds : 1
  return [
    { metric: metricOf[unit], labels, value: Number(value) * scale },
    ...rolesOf(kpi).map(role => ({
      metric: 'weir_kpi_off_target',
      labels: { kpi, role },
      value: isOn === true ? 0 : 1,
    })),
  ]
}

async function readDeadLetters(queries: ClickHouseClient): Promise<readonly SlowSample[]> {
  const result = await queries.query({
    query: 'SELECT code, toString(sum(event_count)) AS open FROM dead_letters GROUP BY code',
    format: 'JSONEachRow',
  })
  const rows = await result.json<{ code: string; open: string }>()
  return rows.map(({ code, open }) => ({
    metric: 'weir_dead_letters_open',
    labels: { code },
    value: Number(open),
  }))
}
