// Reads a list of OData to its end, page by page (`@odata.nextLink`), with the digits of its numbers.

import { z } from 'zod'
import { parseJson } from '../../schemas/json/json-text.js'
import type { PutOutcome } from '../connector.js'
import { type Api, type ApiAnswer, type ApiRequest, strangeAnswer } from './api.js'
import { withoutEnd } from './list-end.js'
import type { NotReached } from './outcome.js'

/** What a request that failed means for the record that it was for. */
export type FailedOutcome = Extract<PutOutcome, { kind: 'refused' }> | NotReached

export type Rows<T> =
  | { readonly kind: 'ok'; readonly rows: readonly T[] }
  | { readonly kind: 'failed'; readonly outcome: FailedOutcome }

export interface RowsRequest<T> {
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly row: z.ZodType<T>
  /** Of an answer that is not 2xx and judged the request. */
  readonly outcomeOfRefusal: (answer: ApiAnswer) => FailedOutcome
}

export async function rowsOf<T>(api: Api, asked: RowsRequest<T>, signal: AbortSignal): Promise<Rows<T>> {
  const page = z.object({ value: z.array(asked.row), '@odata.nextLink': z.string().optional() })
  const rows: T[] = []
  let request: ApiRequest = { method: 'GET', path: asked.path, query: asked.query }
  for (let pages = 1; ; pages += 1) {
    const answer = await api.send(request, signal)
    if (answer.kind === 'failed') return answer
    if (answer.status >= 300) return { kind: 'failed', outcome: asked.outcomeOfRefusal(answer) }
    const json = parseJson(answer.body)
    const parsed = page.safeParse(json.kind === 'ok' ? json.value : undefined)
    if (!parsed.success) return { kind: 'failed', outcome: strangeAnswer(answer) as NotReached }
    rows.push(...parsed.data.value)
    const next = parsed.data['@odata.nextLink']
    if (next === undefined) return { kind: 'ok', rows }
    const endless = withoutEnd(pages, rows.length)
    if (endless !== undefined) return { kind: 'failed', outcome: endless }
    request = { method: 'GET', path: next }
  }
}
