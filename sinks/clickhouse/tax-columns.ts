// The columns of `journal_entries` that say what a line of role tax is the tax of.

import type { LineTax } from '../../schemas/billing/journal-entry.js'
import { parseDecimal } from '../../schemas/money/decimal.js'

/** Of a line that is of no tax: '' and 0. */
export function taxColumnsOf(tax: LineTax | undefined) {
  const amount = (text = '0') => {
    const parsed = parseDecimal(text)
    return parsed.kind === 'ok' ? parsed.value : 0n
  }
  return {
    taxId: tax?.tax_id ?? '',
    taxDocument: tax?.document ?? '',
    taxDocumentStatus: tax?.document_status ?? '',
    taxCode: tax?.tax_code ?? '',
    taxJurisdiction: tax?.jurisdiction ?? '',
    taxRate: amount(tax?.rate),
    taxableAmount: amount(tax?.taxable),
    exemptAmount: amount(tax?.exempt),
  }
}
