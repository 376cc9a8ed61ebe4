// How far a list of a receiver is read. One that gives page after page and never says that it has ended would keep a look-up or a
// reconciliation for ever, and what is kept of it would fill the memory.

import type { NotReached } from './outcome.js'

const mostPages = 10_000
/** Rows that are held in memory at the same time. */
const mostRows = 2_000_000

/** After so many pages, of which so many rows are kept; undefined: it may be read on. */
export function withoutEnd(pages: number, rows = 0): (NotReached & { kind: 'unclear' }) | undefined {
  if (pages < mostPages && rows < mostRows) return undefined
  const detail = `the list has not ended after ${pages} pages, so nothing is known from it`
  return { kind: 'unclear', code: 'list_without_end', detail }
}
