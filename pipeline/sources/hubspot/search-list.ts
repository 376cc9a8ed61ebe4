// A list of all that was modified in a range, by HubSpot's search. Its places of a page (`after`) count from the first that it finds:
// what is modified while it is read goes to the end, and all behind it move up by one, so that the next page would leave one out.
// Besides it shows 10,000 of a search. So each page is a search of its own, behind what was seen.
// Invariants:
// 1. What stays as it is while the list is read is on one of its pages. What stands on two of them is a duplicate.
// 2. Of more than a page with one time, the ids are gone through.
// 3. A page that does not say how to go on is no end.

import type { CrmRecord } from '../quotes/deal.js'
import { SourceTrouble } from '../source-kind.js'
import { idOf } from './documents.js'

export interface SearchRange {
  readonly fromMs: number
  readonly untilMs: number | undefined
}

export interface SearchPosition {
  readonly from_ms: number
  /** Of what was modified at `from_ms` alone, behind this id. */
  readonly behind_id?: string
  /** Of what was modified at `from_ms`, these were seen. */
  readonly seen?: readonly string[]
}

export interface SearchPart {
  readonly ids: readonly string[]
  readonly position: SearchPosition | undefined
}

const pageMost = 100
const propertyName = 'hs_lastmodifieddate'
const idName = 'hs_object_id'

type Search = (json: object) => Promise<readonly CrmRecord[]>

export async function searchPart(
  search: Search,
  { fromMs, untilMs }: SearchRange,
  position: SearchPosition | undefined,
): Promise<SearchPart> {
  const { from_ms, behind_id, seen = [] } = position ?? { from_ms: fromMs }
  if (behind_id !== undefined) return ofOneTime(search, from_ms, behind_id)
  const filters = [
    { propertyName, operator: 'GTE', value: String(from_ms) },
    ...(untilMs === undefined ? [] : [{ propertyName, operator: 'LT', value: String(untilMs) }]),
  ]
  const found = await search(searchOf(filters, propertyName))
  const ids = found.map(idIn)
  const fresh = ids.filter(id => !seen.includes(id))
  if (found.length < pageMost) return { ids: fresh, position: undefined }
  const times = found.map(timeOf)
  const lastMs = times.at(-1) ?? from_ms
  if (lastMs === from_ms) return { ids: [], position: { from_ms, behind_id: '0' } } // invariant 2
  if (!(lastMs > from_ms)) throw notUnderstood('a list that is not in the order that was asked for')
  return { ids: fresh, position: { from_ms: lastMs, seen: ids.filter((_, n) => times[n] === lastMs) } }
}

async function ofOneTime(search: Search, atMs: number, behindId: string): Promise<SearchPart> {
  const filters = [
    { propertyName, operator: 'EQ', value: String(atMs) },
    { propertyName: idName, operator: 'GT', value: behindId },
  ]
  const ids = (await search(searchOf(filters, idName))).map(idIn)
  if (ids.length < pageMost) return { ids, position: { from_ms: atMs + 1 } }
  const last = ids.at(-1) ?? ''
  if (!(Number(last) > Number(behindId)))
    throw notUnderstood('a list that is not in the order that was asked for')
  return { ids, position: { from_ms: atMs, behind_id: last } }
}

function searchOf(filters: readonly object[], sortedBy: string): object {
  return {
    filterGroups: [{ filters }],
    sorts: [{ propertyName: sortedBy, direction: 'ASCENDING' }],
    properties: [propertyName],
    limit: pageMost,
  }
}

function idIn(record: CrmRecord): string {
  const id = idOf(record)
  if (!/^\d{1,30}$/.test(id)) throw notUnderstood('an object without an id')
  return id
}

function timeOf({ updatedAt, properties }: CrmRecord): number {
  const own = (properties as CrmRecord | undefined)?.[propertyName]
  const ms = Date.parse(String(own ?? updatedAt ?? ''))
  if (Number.isNaN(ms)) throw notUnderstood('an object without the time of its last change') // invariant 3
  return ms
}

function notUnderstood(what: string): SourceTrouble {
  return new SourceTrouble('answer_not_understood', `HubSpot answers a search with ${what}.`)
}
