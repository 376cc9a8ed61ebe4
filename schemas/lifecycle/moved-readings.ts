// What meters read of an event that moves to a customer of another partition. Its bytes may be gone, and not every reading can be
// turned back into data (an expression, a rounded conversion), so the readings themselves go along. Only Weir writes them.
// Invariant: what is written is read back equal.

import { z } from 'zod'
import type { MeterReading } from '../event/metered-event.js'
import { decimalField } from '../json/wire-fields.js'
import { formatScaled } from '../money/decimal.js'

/** The sources of amendments by which partitions hand events over. */
export const movedSource = 'weir:moved/'

export const movedReadingsField = z
  .array(
    z.strictObject({
      meter: z.string(),
      quantity: decimalField,
      text: z.string(),
      dimensions: z.array(z.tuple([z.string(), z.string()])),
    }),
  )
  .meta({ description: 'What meters read of an event that moves between partitions: written by Weir alone.' })

export function readingsToWire(readings: readonly MeterReading[]): z.input<typeof movedReadingsField> {
  return readings.map(({ meter, quantity, text, dimensions }) => ({
    ...{ meter, quantity: formatScaled(quantity), text },
    dimensions: [...dimensions],
  }))
}

export function readingsOf(wire: z.output<typeof movedReadingsField>): readonly MeterReading[] {
  return wire.map(({ dimensions, ...rest }) => ({ ...rest, dimensions: new Map(dimensions) }))
}
