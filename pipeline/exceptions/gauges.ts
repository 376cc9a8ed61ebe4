// The open exceptions by owner, and how old the oldest of each is, as metrics.

import type { Registry } from 'prom-client'
import { registerSlowGauges, type SlowSample } from '../feature/slow-gauges.js'
import { type ExceptionSources, exceptionsQuery } from './exceptions-sql.js'
import { QueryParameters } from './query-parameters.js'
import { askRows } from './read-exceptions.js'

type Ask = Parameters<typeof askRows>[0]

const freshMs = 60_000

export interface GaugeParts {
  readonly registry: Registry
  readonly queries: Ask
  readonly sources: () => Promise<ExceptionSources>
  readonly onTrouble: (error: unknown) => void
}

export function registerExceptionGauges({ registry, queries, sources, onTrouble }: GaugeParts): void {
  registerSlowGauges(registry, {
    gauges: [
      {
        name: 'weir_exceptions_open',
        help: 'Exceptions that nobody has answered, by owner',
        labels: ['owner'],
      },
      {
        name: 'weir_exception_oldest_seconds',
        help: 'Age of the oldest exception that nobody has answered, by owner',
        labels: ['owner'],
      },
    ],
    read: async () => openByOwner(queries, await sources()),
    onTrouble,
    freshMs,
  })
}

/** An owner without an open exception has no samples. */
export async function openByOwner(queries: Ask, sources: ExceptionSources): Promise<readonly SlowSample[]> {
  const parameters = new QueryParameters()
  const query = `SELECT owner, count() AS open, toUnixTimestamp64Milli(min(first_at)) AS oldest_ms
FROM (${exceptionsQuery(sources, parameters)}) WHERE state = 'open' GROUP BY owner`
  const rows = await askRows<{ owner: string; open: number; oldest_ms: number }>(queries, query, parameters)
  return rows.flatMap(({ owner, open, oldest_ms: oldestMs }) => [
    { metric: 'weir_exceptions_open', labels: { owner }, value: open },
    {
      metric: 'weir_exception_oldest_seconds',
      labels: { owner },
      value: Math.max(0, Date.now() - oldestMs) / 1_000,
    },
  ])
}
