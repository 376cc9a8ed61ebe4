// Gauges whose samples take a query: they are read again when somebody asks for the metrics and the last reading is old.
// Invariants:
// 1. /metrics never waits longer than `mostWaitMs`: a reading that takes longer shows with the next request.
// 2. What could not be read has no series; an old reading is not shown as a new one.

import { Gauge, type Registry } from 'prom-client'

export interface SlowSample {
  readonly metric: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface SlowGauge {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
}

export interface SlowGauges {
  readonly gauges: readonly SlowGauge[]
  readonly read: () => Promise<readonly SlowSample[]>
  readonly onTrouble: (error: unknown) => void
  /** How old a reading may be. */
  readonly freshMs: number
}

const mostWaitMs = 1_000
/** After so many times `freshMs` without a new one a reading is no longer shown. */
const staleAfter = 3

export function registerSlowGauges(registry: Registry, options: SlowGauges): void {
  const { gauges, read, onTrouble, freshMs } = options
  let samples: readonly SlowSample[] = []
  let readAtMs = Number.NEGATIVE_INFINITY
  let triedAtMs = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined
  const refresh = async (): Promise<void> => {
    triedAtMs = performance.now()
    try {
      samples = await read()
      readAtMs = performance.now()
    } catch (error) {
      onTrouble(error)
    } finally {
      reading = undefined
    }
  }
  const fresh = async (): Promise<readonly SlowSample[]> => {
    if (performance.now() - triedAtMs > freshMs) reading ??= refresh()
    if (reading !== undefined) await Promise.race([reading, after(mostWaitMs)]) // invariant 1
    return performance.now() - readAtMs < staleAfter * freshMs ? samples : [] // invariant 2
  }
  for (const { name, help, labels } of gauges) {
    new Gauge({
      name,
      help,
      labelNames: labels,
      registers: [registry],
      async collect() {
        const known = await fresh()
        this.reset()
        for (const { metric, labels: of, value } of known) if (metric === name) this.set(of, value)
      },
    })
  }
}

function after(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms).unref())
}
