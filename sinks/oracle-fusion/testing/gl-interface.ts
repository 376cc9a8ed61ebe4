// GlInterface.csv as a fake Oracle reads it: unzipped, read by csv-parse, each row held against the columns of the shape.

import { parse } from 'csv-parse/sync'
import { strFromU8, unzipSync } from 'fflate'
import { jsonShape } from '../../testing/shape.js'

const shape = jsonShape('oracle-fusion', 'gl-interface.columns.json') as {
  readonly total_columns: number
  readonly known: Readonly<Record<string, string>>
}

export type InterfaceRow = Readonly<Record<string, string>>

/** Throws in plain words for what is no file of this form. */
export function rowsIn(base64: string): InterfaceRow[] {
  const files = unzipSync(Buffer.from(base64, 'base64'))
  const csv = files['GlInterface.csv']
  if (csv === undefined || Object.keys(files).length !== 1)
    throw new Error('the zip must hold GlInterface.csv alone')
  const lines = parse(strFromU8(csv)) as string[][]
  return lines.map((cells, n) => {
    if (cells.length !== shape.total_columns) throw new Error(`row ${n + 1} has ${cells.length} columns`)
    const row: Record<string, string> = {}
    for (const [index, cell] of cells.entries()) {
      const name = shape.known[String(index)]
      if (name === undefined && cell !== '') throw new Error(`row ${n + 1}: column ${index} must be empty`)
      if (name !== undefined) row[name] = cell
    }
    return row
  })
}

/** What is wrong with the form of a row; the ledger judges the rest. */
export function problemOf(row: InterfaceRow): string | undefined {
  const {
    STATUS,
    ACTUAL_FLAG,
    ACCOUNTING_DATE = '',
    DATE_CREATED = '',
    ENTERED_DR = '',
    ENTERED_CR = '',
  } = row
  if (STATUS !== 'NEW' || ACTUAL_FLAG !== 'A') return 'STATUS or ACTUAL_FLAG'
  if (![ACCOUNTING_DATE, DATE_CREATED].every(one => /^\d{4}\/\d\d\/\d\d$/.test(one))) return 'a date'
  if ((ENTERED_DR === '') === (ENTERED_CR === '')) return 'ENTERED_DR and ENTERED_CR'
  if (!/^\d+(\.\d+)?$/.test(`${ENTERED_DR}${ENTERED_CR}`)) return 'an amount'
  return Object.entries(row).find(([name, text]) => name.startsWith('REFERENCE') && text.length > 240)?.[0]
}
