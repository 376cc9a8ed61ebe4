// Differences as CSV. Numbers are decimal text; no cell begins a formula when a spreadsheet opens the file.

import { stringify } from 'csv-stringify/sync'
import type { DifferenceLine } from './replay-store.js'

const sums = [
  'charges',
  'changed',
  'amount_before',
  'amount_after',
  'amount_change',
  'amount_rounded_before',
  'amount_rounded_after',
  'amount_rounded_change',
]

const columnsOf: Readonly<Record<DifferenceLine['by'], readonly string[]>> = {
  customer: ['customer_id', 'currency', ...sums],
  price: ['plan', 'price', 'currency', ...sums],
  charge: [
    ...[
      'change',
      'charge_id',
      'customer_id',
      'subscription_id',
      'entity_id',
      'plan',
      'plan_version',
      'price',
      'meter',
    ],
    ...['kind', 'currency', 'from', 'until', 'quantity_before', 'quantity_after'],
    ...sums.slice(2),
  ],
}

export function csvOfDifferences(
  by: DifferenceLine['by'],
  lines: readonly DifferenceLine[],
  withHead: boolean,
): string {
  const columns = columnsOf[by]
  const rows = lines.map(line => {
    const period = line.by === 'charge' ? line.service_period : {}
    const flat: Readonly<Record<string, unknown>> = { ...line, ...period }
    return columns.map(name => cell(name, String(flat[name])))
  })
  return stringify([...(withHead ? [columns] : []), ...rows])
}

/** An amount may begin with a minus; a name that could be a formula is told as text. */
function cell(name: string, value: string): string {
  const isNumber = /^(amount|quantity)_/.test(name)
  return !isNumber && /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
}
