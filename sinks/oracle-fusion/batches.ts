// Journal batches in Oracle: whether one has the name of ours, whether it is posted, and the list of all of ours.
// Invariant: a list that cannot be read to its end is `failed`.

import { z } from 'zod'
import { parseJson } from '../../schemas/json/json-text.js'
import { formatScaled, parseDecimal } from '../../schemas/money/decimal.js'
import type { PutOutcome } from '../connector.js'
import { type Api, strangeAnswer } from '../http/api.js'
import { withoutEnd } from '../http/list-end.js'
import { outcomeOfAnswer } from './outcome.js'

const pageLength = 200
/** A URL of some 2,000 characters. */
const namesOfQuery = 25

const pageSchema = z.object({
  items: z.array(
    z.object({
      JeBatchId: z.union([z.string(), z.number()]).transform(String),
      BatchName: z.string(),
      BatchDescription: z.string().nullish(),
      Status: z.string(),
      /** A number that keeps all its digits. */
      RunningTotalDr: z.unknown(),
    }),
  ),
  hasMore: z.boolean(),
})

export interface JournalBatch {
  readonly id: string
  /** What we called it: all before the first blank. */
  readonly name: string
  readonly description: string
  readonly state: 'written' | 'posted'
  /** The sum of the entered debits, in the currency of its one journal; undefined: Oracle does not say. */
  readonly debit: string | undefined
}

export type Batches =
  | { readonly kind: 'ok'; readonly batches: readonly JournalBatch[] }
  | { readonly kind: 'failed'; readonly outcome: PutOutcome }

/** Batches whose names begin like one of these; none of them has quotes. */
export async function batchesNamed(
  api: Api,
  beginnings: readonly string[],
  signal: AbortSignal,
): Promise<Batches> {
  const batches: JournalBatch[] = []
  for (let from = 0; from < beginnings.length; from += namesOfQuery) {
    const asked = await batchesOf(api, beginnings.slice(from, from + namesOfQuery), signal)
    if (asked.kind === 'failed') return asked
    batches.push(...asked.batches)
  }
  return { kind: 'ok', batches }
}

async function batchesOf(api: Api, beginnings: readonly string[], signal: AbortSignal): Promise<Batches> {
  const batches: JournalBatch[] = []
  for (let offset = 0; ; offset += pageLength) {
    const answer = await api.send(
      {
        method: 'GET',
        path: '/fscmRestApi/resources/11.13.18.05/journalBatches',
        query: {
          q: beginnings.map(one => `BatchName LIKE '${one}%'`).join(' or '),
          fields: 'JeBatchId,BatchName,BatchDescription,Status,RunningTotalDr',
          orderBy: 'JeBatchId',
          onlyData: 'true',
          limit: String(pageLength),
          offset: String(offset),
        },
        headers: { 'rest-framework-version': '4' },
      },
      signal,
    )
    if (answer.kind === 'failed') return answer
    if (answer.status >= 300) return { kind: 'failed', outcome: outcomeOfAnswer(answer) }
    const json = parseJson(answer.body)
    const page = pageSchema.safeParse(json.kind === 'ok' ? json.value : undefined)
    if (!page.success) return { kind: 'failed', outcome: strangeAnswer(answer) }
    for (const { JeBatchId: id, BatchName, BatchDescription, Status, RunningTotalDr } of page.data.items)
      batches.push({
        id,
        name: BatchName.split(' ')[0] ?? '',
        description: BatchDescription ?? '',
        state: Status === 'P' ? 'posted' : 'written',
        debit: decimalOf(RunningTotalDr),
      })
    if (!page.data.hasMore) return { kind: 'ok', batches }
    const endless = withoutEnd(offset / pageLength + 1, batches.length)
    if (endless !== undefined) return { kind: 'failed', outcome: endless }
  }
}

function decimalOf(total: unknown): string | undefined {
  const parsed = parseDecimal(total)
  return parsed.kind === 'ok' ? formatScaled(parsed.value) : undefined
}
