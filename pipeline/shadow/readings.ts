// Makes events of the lines in which ClickHouse answers what meters read (sinks/clickhouse/rated-readings.ts).
// Invariant: an event has all of its lines, also when they come in two pieces.

import type { CatalogIndex } from '../../rating/timeline/catalog-index.js'
import { noInput } from '../../schemas/event/event-input.js'
import type { MeterReading } from '../../schemas/event/metered-event.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import type { KeyedEvent } from '../core/state/metered-event.js'

type Line = [
  source: string,
  id: string,
  type: string,
  timeNs: string,
  ingestedAtMs: number,
  customerId: string,
  pinnedSubscriptionId: string,
  correlationId: string,
  traceparent: string,
  meter: string,
  value: string,
  dimensions: Record<string, string>,
  quantity: string,
]

export class ReadingLines {
  readonly #catalog: CatalogIndex
  /** The lines of the newest event, of which more may come. */
  #open: Line[] = []

  constructor(catalog: CatalogIndex) {
    this.#catalog = catalog
  }

  /** The events whose lines are all there. */
  take(lines: Uint8Array): KeyedEvent[] {
    const events: KeyedEvent[] = []
    for (const text of Buffer.from(lines).toString('utf8').split('\n')) {
      if (text === '') continue
      const line = JSON.parse(text) as Line
      const [first] = this.#open
      if (first !== undefined && !isOfOneEvent(first, line)) events.push(this.#close())
      this.#open.push(line)
    }
    return events
  }

  /** The last event. */
  end(): KeyedEvent[] {
    return this.#open.length === 0 ? [] : [this.#close()]
  }

  #close(): KeyedEvent {
    const lines = this.#open
    this.#open = []
    const [source, id, type, timeNs, ingestedAtMs, customerId, pinned, correlationId, traceparent] = lines[0]!
    const readings = new Map(lines.map(line => [line[9], readingOf(line)]))
    // In the catalog's order, as they were read; readings of meters that it lacks are left out.
    const ordered = this.#catalog.metersOfType(type).map(({ meter }) => readings.get(meter))
    return {
      key: compositeKey(source, id),
      source,
      id,
      type,
      timeNs: BigInt(timeNs),
      ingestedAtMs,
      customerId,
      pinnedSubscriptionId: pinned,
      correlationId,
      traceparent,
      input: noInput,
      readings: ordered.filter(reading => reading !== undefined),
    }
  }
}

function isOfOneEvent(one: Line, other: Line): boolean {
  return one[1] === other[1] && one[0] === other[0] && one[3] === other[3] && one[5] === other[5]
}

function readingOf(line: Line): MeterReading {
  const [, , , , , , , , , meter, text, dimensions, quantity] = line
  return { meter, text, dimensions: new Map(Object.entries(dimensions)), quantity: scaled(quantity) }
}

function scaled(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(`ClickHouse answered ${text} where a decimal belongs`)
  return parsed.value
}
