// What a tax engine says of the tax on a document, from the `data` of `weir.tax.*`. Contract section 2.
// Invariants: each event tells the transaction whole; the highest `sequence` of a `tax_id` holds, whatever the order of arrival; amounts
// are as the engine computed them, signed like what they are on.

import { z } from 'zod'
import type { ValidEvent } from '../event/usage-event.js'
import { stringifyJson } from '../json/json-text.js'
import { closedObject, currencyField, decimalField, nameField, wholeField } from '../json/wire-fields.js'
import { formatScaled, type Scaled } from '../money/decimal.js'
import { type Parsed, rejected } from '../rejection.js'
import { dataOf } from './event-fields.js'

/** `pending`: it is there and not yet committed. `failed`: there is no tax, and why. */
export const taxStatuses = ['committed', 'adjusted', 'voided', 'pending', 'failed'] as const
export type TaxStatus = (typeof taxStatuses)[number]

/**
 * Bytes of the lines as they are kept, about 3,000 of them: row, kept state and pieces of the books must each fit into one message of a
 * broker that takes 1 MiB.
 */
export const taxLinesMostBytes = 700_000

const decimal = decimalField.nullish()

export const taxData = closedObject({
  tax_id: nameField.meta({ description: 'The transaction, the same in all its states.' }),
  customer_id: nameField,
  sequence: wholeField(0, Number.MAX_SAFE_INTEGER),
  currency: currencyField.nullish(),
  document: z.string().nullish().meta({ description: 'Its code at the engine.' }),
  document_status: z.string().nullish().meta({ description: 'In the words of the engine.' }),
  invoice_id: nameField.nullish(),
  total: decimal.meta({ description: 'What the tax is on.' }),
  total_taxable: decimal,
  total_exempt: decimal,
  total_tax: decimal,
  lines: z
    .array(
      closedObject({
        line: nameField,
        charge_id: nameField.nullish(),
        amount: decimalField.meta({ description: 'Of the line, without tax.' }),
        tax_code: nameField,
        jurisdiction: nameField,
        jurisdiction_type: z.string().nullish(),
        tax_name: z.string().nullish(),
        rate: decimal,
        taxable: decimal,
        exempt: decimal,
        tax: decimalField,
      }),
    )
    .nullish()
    .meta({ description: 'One for each line and jurisdiction.' }),
  code: nameField.nullish().meta({ description: 'Why it failed, in the words of the engine.' }),
  reason: z.string().nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
})

export interface TaxEvent {
  readonly status: TaxStatus
  readonly taxId: string
  readonly customerId: string
  readonly sequence: number
  readonly currency: string
  readonly document: string
  readonly documentStatus: string
  readonly invoiceId: string
  readonly total: Scaled
  readonly totalTaxable: Scaled
  readonly totalExempt: Scaled
  readonly totalTax: Scaled
  /** JSON text of a list, amounts in decimals. */
  readonly lines: string
  readonly code: string
  readonly reason: string
}

export function parseTax(status: TaxStatus, event: ValidEvent): Parsed<TaxEvent> {
  const parsed = dataOf(taxData, event)
  if (parsed.kind === 'rejected') return parsed
  const data = parsed.value
  const lines = stringifyJson((data.lines ?? []).map(lineToWire))
  const bytes = Buffer.byteLength(lines)
  if (bytes > taxLinesMostBytes) {
    const detail = `The lines come to ${bytes} bytes, and ${taxLinesMostBytes} are taken: tell the document in several taxes.`
    return rejected('value_out_of_range', detail, '/data/lines')
  }
  const value: TaxEvent = {
    ...{ status, taxId: data.tax_id, customerId: data.customer_id, sequence: data.sequence },
    currency: data.currency ?? '',
    document: data.document ?? '',
    documentStatus: data.document_status ?? '',
    invoiceId: data.invoice_id ?? '',
    total: data.total ?? 0n,
    totalTaxable: data.total_taxable ?? 0n,
    totalExempt: data.total_exempt ?? 0n,
    totalTax: data.total_tax ?? 0n,
    lines,
    code: data.code ?? '',
    reason: data.reason ?? '',
  }
  return { kind: 'ok', value }
}

function lineToWire(line: NonNullable<z.output<typeof taxData>['lines']>[number]) {
  const text = (amount: Scaled | null | undefined) => formatScaled(amount ?? 0n)
  return {
    ...{
      line: line.line,
      charge_id: line.charge_id ?? '',
      amount: text(line.amount),
      tax_code: line.tax_code,
    },
    ...{
      jurisdiction: line.jurisdiction,
      jurisdiction_type: line.jurisdiction_type ?? '',
      tax_name: line.tax_name ?? '',
    },
    ...{ rate: text(line.rate), taxable: text(line.taxable), exempt: text(line.exempt), tax: text(line.tax) },
  }
}
