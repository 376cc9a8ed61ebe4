// `weir kpi`: asks a running Weir for its figures and prints them as a table.
// Exit code 0: they were read, whatever they say; 1: they could not be read.

import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import type { Kpi } from './read-kpis.js'

export interface KpiArguments extends GatewayArguments {
  readonly role: string | undefined
  readonly days: number | undefined
}

export function kpiCommand({ gateway, json, role, days }: KpiArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const query = new URLSearchParams({
      ...(role === undefined ? {} : { role }),
      ...(days === undefined ? {} : { days: String(days) }),
    })
    const found = await callGateway<{ days: number; kpis: readonly Kpi[] }>(gateway, `/v1/kpis?${query}`)
    io.stdout.write(json ? `${JSON.stringify(found)}\n` : describe(found.kpis, found.days))
  })
}

function describe(kpis: readonly Kpi[], days: number): string {
  const rows = kpis.map(kpi => [
    kpi.kpi,
    kpi.value === null ? 'not known' : amountOf(kpi),
    kpi.worst === null ? '' : `${kpi.worst}`,
    kpi.target,
    kpi.on_target === null ? '' : kpi.on_target ? 'ok' : 'OFF',
    kpi.value === null ? kpi.not_known : kpi.title,
  ])
  const head = ['figure', 'value', 'worst', 'target', '', 'is']
  const table = plainTable(head, ['left', 'right', 'right', 'right', 'left', 'left'], rows)
  return `${table}\n\nBusiness figures are of the last ${days} days, today included.\n`
}

function amountOf({ value, unit, currency }: Kpi): string {
  return unit === 'money' ? `${value} ${currency}` : unit === 'seconds' ? `${value} s` : `${value}`
}
