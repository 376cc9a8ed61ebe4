// A tax on a charge, as a source computed it. Weir computes no tax: it keeps what it is given and posts it beside the charge.
// Invariants: the amount is signed like the charge and stands beside its amount, never within it; a credit repeats the lines of
// what it takes back with the other sign.

import { z } from 'zod'
import { decimalField, nameField } from '../json/wire-fields.js'
import { formatScaled, type Scaled } from '../money/decimal.js'

export interface TaxLine {
  readonly taxCode: string
  /** Whose tax it is, in the source's words: `US-CA`, `DE`. */
  readonly jurisdiction: string
  readonly amount: Scaled
}

export interface TaxLineWire {
  readonly tax_code: string
  readonly jurisdiction: string
  readonly amount: string
}

export const taxLineSchema = z.object({
  tax_code: nameField,
  jurisdiction: nameField,
  amount: decimalField.meta({ description: 'Beside the amount of the charge, with its sign.' }),
})

export function taxLineToWire({ taxCode, jurisdiction, amount }: TaxLine): TaxLineWire {
  return { tax_code: taxCode, jurisdiction, amount: formatScaled(amount) }
}

export function taxLineOf(wire: z.output<typeof taxLineSchema>): TaxLine {
  return { taxCode: wire.tax_code, jurisdiction: wire.jurisdiction, amount: wire.amount }
}

export function negated(lines: readonly TaxLine[]): TaxLine[] {
  return lines.map(line => ({ ...line, amount: -line.amount }))
}
