// Lists our journals in Dynamics 365 Finance for the reconciliation against the receiver itself: the lines of a range of dates,
// and which of their journals are not posted.

import { z } from 'zod'
import { ExactNumber } from '../../schemas/money/exact-number.js'
import type { DocumentRange, ReceiverDocument } from '../connector.js'
import type { Api } from '../http/api.js'
import { type Rows, type RowsRequest, rowsOf } from '../http/odata.js'
import { ReceiverLines } from '../receiver-lines.js'
import { outcomeOfRefusal } from './outcome.js'
import { keyIn, mainAccountOf, textPrefix } from './records.js'

const number = z.union([z.number(), z.instanceof(ExactNumber)])
const lineSchema = z.object({
  JournalBatchNumber: z.string(),
  TransDate: z.string(),
  CurrencyCode: z.string(),
  Text: z.string(),
  AccountDisplayValue: z.string().default(''),
  DebitAmount: number,
  CreditAmount: number.default(0),
})
const draftSchema = z.object({ Description: z.string() })

interface Found {
  readonly line: z.output<typeof lineSchema>
  readonly lines: ReceiverLines
}

/** Throws when a list cannot be read to its end: half a list would name as missing what is there. */
export async function* documentsOf(
  api: Api,
  delimiter: string,
  { from, until }: DocumentRange,
  signal: AbortSignal,
): AsyncGenerator<ReceiverDocument, void, undefined> {
  // `*` is a wildcard in a comparison of texts here; startswith is not supported.
  const draft = `IsPosted eq Microsoft.Dynamics.DataEntities.NoYes'No' and Description eq '${textPrefix}*'`
  const inRange = `TransDate ge ${from}T00:00:00Z and TransDate le ${until}T23:59:59Z and Text eq '${textPrefix}*'`
  const drafts = read(await rowsOf(api, asked('Headers', draft, 'Description', draftSchema), signal))
  const fields = Object.keys(lineSchema.shape).join(',')
  const lines = read(await rowsOf(api, asked('Lines', inRange, fields, lineSchema), signal))
  const unposted = new Set(drafts.map(({ Description }) => keyIn(Description)))
  const found = new Map<string, Found>()
  for (const line of lines) {
    const key = keyIn(line.Text)
    if (key === undefined) continue
    const one = found.get(key) ?? { line, lines: new ReceiverLines() }
    const account = mainAccountOf(line.AccountDisplayValue, delimiter)
    one.lines.add(account, line.DebitAmount)
    one.lines.credit(account, line.CreditAmount)
    found.set(key, one)
  }
  for (const [key, { line, lines: ofDocument }] of found)
    yield {
      key,
      externalId: line.JournalBatchNumber,
      state: unposted.has(key) ? 'written' : 'posted',
      date: line.TransDate.slice(0, 10),
      currency: line.CurrencyCode,
      ...ofDocument.told(),
    }
}

function asked<T>(
  of: 'Headers' | 'Lines',
  filter: string,
  select: string,
  row: z.ZodType<T>,
): RowsRequest<T> {
  const query = { 'cross-company': 'true', $filter: filter, $select: select }
  return { path: `/data/LedgerJournal${of}`, query, row, outcomeOfRefusal }
}

function read<T>(rows: Rows<T>): readonly T[] {
  if (rows.kind === 'ok') return rows.rows
  throw new Error(rows.outcome.detail)
}
