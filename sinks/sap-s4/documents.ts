// Our accounting documents in SAP, read by their items (OData V2): one by its reference, or all of some dates.

import { z } from 'zod'
import type { DocumentRange, PutOutcome, ReceiverDocument } from '../connector.js'
import { type Api, jsonOf, strangeAnswer } from '../http/api.js'
import { withoutEnd } from '../http/list-end.js'
import { ReceiverLines } from '../receiver-lines.js'
import type { SapS4Settings } from './config.js'
import { externalIdOf, outcomeOfStatus } from './outcome.js'

const pageLength = 1_000
const fields = [
  'CompanyCode',
  'FiscalYear',
  'AccountingDocument',
  'DocumentReferenceID',
  'Reference1InDocumentHeader',
  'Reference2InDocumentHeader',
  'PostingDate',
  'GLAccount',
  'Customer',
  'TransactionCurrency',
  'AmountInTransactionCurrency',
]

const text = z.string().nullish()
const itemSchema = z.object({
  CompanyCode: z.string(),
  FiscalYear: z.string(),
  AccountingDocument: z.string(),
  DocumentReferenceID: text,
  Reference1InDocumentHeader: text,
  Reference2InDocumentHeader: text,
  PostingDate: text,
  GLAccount: text,
  Customer: text,
  TransactionCurrency: text,
  AmountInTransactionCurrency: text,
})
const pageSchema = z.object({ d: z.object({ results: z.array(itemSchema) }) })

type Item = z.output<typeof itemSchema>
type Settings = Pick<SapS4Settings, 'read_path' | 'client' | 'prefix'>
type Page = { readonly kind: 'ok'; readonly items: readonly Item[] } | PutOutcome

/** References and dates have no quotes: our own alphabet and the types of the range see to that. */
export async function pageOf(
  api: Api,
  settings: Settings,
  given: { readonly filter: string; readonly top: number; readonly skip?: number },
  signal: AbortSignal,
): Promise<Page> {
  const { filter, top, skip = 0 } = given
  const query = {
    $filter: filter,
    $select: fields.join(','),
    $orderby: 'CompanyCode,FiscalYear,AccountingDocument,AccountingDocumentItem',
    $top: String(top),
    $skip: String(skip),
    $format: 'json',
    ...(settings.client === undefined ? {} : { 'sap-client': settings.client }),
  }
  const answer = await api.send({ method: 'GET', path: settings.read_path, query }, signal)
  if (answer.kind === 'failed') return answer.outcome
  if (answer.status >= 300) return outcomeOfStatus(answer)
  const page = pageSchema.safeParse(jsonOf(answer))
  return page.success ? { kind: 'ok', items: page.data.d.results } : strangeAnswer(answer)
}

/** Throws when SAP does not answer with a page: half a list would name as missing what is there. */
export async function* documentsOf(
  api: Api,
  settings: Settings,
  { from, until }: DocumentRange,
  signal: AbortSignal,
): AsyncGenerator<ReceiverDocument, void, undefined> {
  const filter = [
    `PostingDate ge datetime'${from}T00:00:00' and PostingDate le datetime'${until}T00:00:00'`,
    ...(settings.prefix === '' ? [] : [`startswith(DocumentReferenceID,'${settings.prefix}')`]),
  ].join(' and ')
  let last: Item[] = []
  // A server may give fewer than were asked for: only an empty page is the end.
  for (let [skip, pages] = [0, 1]; ; pages += 1) {
    const page = await pageOf(api, settings, { filter, top: pageLength, skip }, signal)
    if (page.kind !== 'ok') throw new Error('detail' in page ? page.detail : page.kind)
    for (const item of page.items) {
      if (last[0] !== undefined && idOf(last[0]) !== idOf(item)) {
        yield* documentOf(last)
        last = []
      }
      last.push(item)
    }
    skip += page.items.length
    if (page.items.length === 0) break
    const endless = withoutEnd(pages)
    if (endless !== undefined) throw new Error(endless.detail)
  }
  yield* documentOf(last)
}

export function idOf({ CompanyCode: company, AccountingDocument: number, FiscalYear: year }: Item): string {
  return externalIdOf(company, number, year)
}

/** Nothing for a document of somebody else, which has no references of ours. */
function* documentOf(items: readonly Item[]): Generator<ReceiverDocument> {
  const [first] = items
  const key = `${first?.Reference1InDocumentHeader ?? ''}${first?.Reference2InDocumentHeader ?? ''}`
  if (first === undefined || key === '') return
  const lines = new ReceiverLines()
  for (const { AmountInTransactionCurrency: amount, GLAccount, Customer } of items)
    lines.add(accountName(Customer || GLAccount || ''), amount ?? '0')
  const dateMs = Number(/\d+/.exec(first.PostingDate ?? '')?.[0] ?? '0')
  yield {
    key,
    externalId: idOf(first),
    state: 'posted',
    date: new Date(dateMs).toISOString().slice(0, 10),
    currency: first.TransactionCurrency ?? '',
    ...lines.told(),
  }
}

/** SAP fills numbers up with zeros in front, or not. */
export function accountName(number: string): string {
  return number.replace(/^0+(?=.)/, '')
}
