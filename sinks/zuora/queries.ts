// Queries of usage records in ZOQL (`/v1/action/query`), page by page. ZOQL has neither `like` nor an order, so rows are taken
// by day and account, and ours are recognised by the key in them.
// Invariant: a list that cannot be read to its end is `failed`; half a list would say that a record is not there.

import { z } from 'zod'
import { parseJson } from '../../schemas/json/json-text.js'
import type { PutOutcome } from '../connector.js'
import type { Api } from '../http/api.js'
import { withoutEnd } from '../http/list-end.js'
import { outcomeOfRefusal } from './outcome.js'

const text = z.union([z.string(), z.number()]).transform(String)
const pageSchema = z.object({
  records: z
    .array(
      z.looseObject({
        Id: z.string(),
        StartDateTime: z.string().default(''),
        /** A number that keeps all its digits; absent where a query does not ask for it. */
        Quantity: z.unknown().optional(),
      }),
    )
    .default([]),
  done: z.boolean(),
  queryLocator: text.optional(),
})

export type UsageRow = z.output<typeof pageSchema>['records'][number]

export type Queried =
  | { readonly kind: 'ok'; readonly rows: readonly UsageRow[] }
  | { readonly kind: 'failed'; readonly outcome: PutOutcome }

export interface UsageRange {
  /** Times as Zuora writes them, both included. */
  readonly from: string
  readonly until: string
  /** Of this account alone. */
  readonly account?: string
}

/** Nothing in it has quotes: the patterns of settings and mapping see to that. */
export function usageQuery(keyField: string, { from, until, account }: UsageRange): string {
  const ofAccount = account === undefined ? '' : `AccountNumber = '${account}' and `
  return `select Id, StartDateTime, Quantity, ${keyField} from Usage where ${ofAccount}StartDateTime >= '${from}' and StartDateTime <= '${until}'`
}

/** The rows that `isKept` takes. */
export async function queryAll(
  api: Api,
  query: string,
  isKept: (row: UsageRow) => boolean,
  signal: AbortSignal,
): Promise<Queried> {
  const rows: UsageRow[] = []
  let [path, json]: [string, object] = ['/v1/action/query', { queryString: query }]
  for (let pages = 1; ; pages += 1) {
    const answer = await api.send({ method: 'POST', path, body: { json } }, signal)
    if (answer.kind === 'failed') return answer
    const said = answer.status < 300 ? parseJson(answer.body) : undefined
    const page = said?.kind === 'ok' ? pageSchema.safeParse(said.value) : undefined
    if (page?.success !== true) return { kind: 'failed', outcome: outcomeOfRefusal(answer) }
    rows.push(...page.data.records.filter(isKept))
    const { done, queryLocator } = page.data
    if (done) return { kind: 'ok', rows }
    if (queryLocator === undefined) return { kind: 'failed', outcome: outcomeOfRefusal(answer) }
    const endless = withoutEnd(pages, rows.length)
    if (endless !== undefined) return { kind: 'failed', outcome: endless }
    ;[path, json] = ['/v1/action/queryMore', { queryLocator }]
  }
}
