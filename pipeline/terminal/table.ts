// Tables for people: columns and spaces, no lines.

import Table from 'cli-table3'
import { oneLine } from './harmless-text.js'

export type Align = 'left' | 'right'

const noLines = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

/** One line per row, cells padded to their column's width. `head` may be empty. */
export function plainTable(
  head: readonly string[],
  aligns: readonly Align[],
  rows: readonly (readonly string[])[],
): string {
  const table = new Table({
    head: [...head],
    colAligns: [...aligns],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    chars: noLines,
  })
  for (const row of rows) table.push(row.map(oneLine))
  return table.toString()
}
