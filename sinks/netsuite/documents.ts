// Lists our journal entries in NetSuite by SuiteQL, for the reconciliation against the receiver itself.

import { z } from 'zod'
import type { DocumentRange, ReceiverDocument } from '../connector.js'
import { type Api, jsonOf } from '../http/api.js'
import { withoutEnd } from '../http/list-end.js'
import { ReceiverLines } from '../receiver-lines.js'

const pageLength = 1_000

const text = z.union([z.string(), z.number()]).transform(String)
const pageSchema = z.object({
  items: z.array(
    z.object({
      id: text,
      externalid: z.string(),
      trandate: z.string(),
      currency: z.string().nullish(),
      approvalstatus: text.nullish(),
      account: text.nullish(),
      debit: text.nullish(),
      credit: text.nullish(),
    }),
  ),
  hasMore: z.boolean(),
})

/** Throws when NetSuite does not answer with a page: half a list would name as missing what is there. */
export async function* documentsOf(
  api: Api,
  prefix: string,
  range: DocumentRange,
  signal: AbortSignal,
): AsyncGenerator<ReceiverDocument, void, undefined> {
  let last: Row[] = []
  for (let offset = 0; ; offset += pageLength) {
    const answer = await api.send(
      {
        method: 'POST',
        path: '/services/rest/query/v1/suiteql',
        query: { limit: String(pageLength), offset: String(offset) },
        headers: { prefer: 'transient' },
        body: { json: { q: queryOf(prefix, range) } },
      },
      signal,
    )
    if (answer.kind === 'failed') throw new Error('detail' in answer.outcome ? answer.outcome.detail : '')
    const page = pageSchema.safeParse(jsonOf(answer))
    if (!page.success) throw new Error(`HTTP ${answer.status}: ${answer.redact(answer.body)}`)
    for (const row of page.data.items) {
      if (last[0] !== undefined && last[0].id !== row.id) {
        yield* documentOf(last, prefix)
        last = []
      }
      last.push(row)
    }
    if (!page.data.hasMore) break
    const endless = withoutEnd(offset / pageLength + 1)
    if (endless !== undefined) throw new Error(endless.detail)
  }
  yield* documentOf(last, prefix)
}

type Row = z.output<typeof pageSchema>['items'][number]

/** Of the rows of one entry, one for each account; nothing for an entry of somebody else. */
function* documentOf(rows: readonly Row[], prefix: string): Generator<ReceiverDocument> {
  const [first] = rows
  if (first === undefined || !first.externalid.startsWith(prefix)) return
  const { id, externalid, trandate, currency, approvalstatus } = first
  const isInEffect = approvalstatus === undefined || approvalstatus === null || approvalstatus === '2'
  const lines = new ReceiverLines()
  for (const { account, debit, credit } of rows) {
    lines.add(account ?? '', debit ?? '0')
    lines.credit(account ?? '', credit ?? '0')
  }
  yield {
    key: externalid.slice(prefix.length),
    externalId: id,
    state: isInEffect ? 'posted' : 'written',
    date: trandate,
    ...(typeof currency === 'string' ? { currency } : {}),
    ...lines.told(),
  }
}

/** Prefix and dates have no quotes: the settings and the types of the range see to that. Of several books the primary one, 1. */
function queryOf(prefix: string, { from, until }: DocumentRange): string {
  return [
    "SELECT t.id AS id, t.externalid AS externalid, TO_CHAR(t.trandate, 'YYYY-MM-DD') AS trandate,",
    'c.symbol AS currency, t.approvalstatus AS approvalstatus, a.account AS account,',
    'SUM(CASE WHEN l.foreignamount > 0 THEN l.foreignamount ELSE 0 END) AS debit,',
    'SUM(CASE WHEN l.foreignamount < 0 THEN -l.foreignamount ELSE 0 END) AS credit',
    'FROM transaction t JOIN transactionline l ON l.transaction = t.id',
    'JOIN transactionaccountingline a ON a.transaction = l.transaction AND a.transactionline = l.id AND a.accountingbook = 1',
    'JOIN currency c ON c.id = t.currency',
    `WHERE t.type = 'Journal' AND t.externalid LIKE '${prefix}%'`,
    `AND t.trandate BETWEEN TO_DATE('${from}', 'YYYY-MM-DD') AND TO_DATE('${until}', 'YYYY-MM-DD')`,
    'GROUP BY t.id, t.externalid, t.trandate, c.symbol, t.approvalstatus, a.account ORDER BY t.id, a.account',
  ].join(' ')
}
