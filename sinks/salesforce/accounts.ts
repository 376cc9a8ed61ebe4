// Fields of accounts: read by one query, written by one request for the accounts of a page (sObject Collections).

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { jsonOf, strangeAnswer } from '../http/api.js'
import type { Rate } from '../http/limiter.js'
import { pageMs } from '../http/limiter.js'
import { jsonNumber } from '../journal-record.js'
import type {
  ObjectChange,
  ObjectPlace,
  ObjectsRead,
  ObjectThere,
  StandingSystem,
} from '../write-back/standing-connector.js'
import type { FactValue } from '../write-back/standing-record.js'
import { type Org, quoted, requestMs } from './org.js'
import { errorsSchema, outcomeOfErrors } from './outcome.js'

const resultsSchema = z.array(
  z.object({ id: z.string().nullish(), success: z.boolean(), errors: z.array(z.unknown()).default([]) }),
)

export class Accounts implements StandingSystem {
  readonly object: string
  readonly ownIdField = 'Id'
  /** A request takes 200; the query that reads them has to fit into an address. */
  readonly pageSize = 100
  readonly attemptMs: number
  readonly #org: Org

  constructor(org: Org, object: string, rate: Rate) {
    this.object = object
    this.attemptMs = pageMs(requestMs, 2, rate)
    this.#org = org
  }

  check(signal: AbortSignal) {
    return this.#org.check(signal)
  }

  async read(
    places: readonly ObjectPlace[],
    fields: readonly string[],
    signal: AbortSignal,
  ): Promise<ObjectsRead> {
    const objects = new Map<string, ObjectThere[]>()
    // A page may have records that were placed before the setting changed.
    for (const field of new Set(places.map(one => one.field))) {
      const values = [...new Set(places.filter(one => one.field === field).map(one => one.value))]
      const asked = [...new Set(['Id', field, ...fields])].join(', ')
      const soql = `SELECT ${asked} FROM ${this.object} WHERE ${field} IN (${values.map(quoted).join(', ')})`
      const found = await this.#org.query(soql, signal)
      if (found.kind !== 'records') return found
      for (const record of found.records) {
        const value = values.find(one => isSameId(one, String(record[field]), field)) ?? String(record[field])
        objects.set(value, [...(objects.get(value) ?? []), { id: String(record['Id']), values: record }])
      }
    }
    return { kind: 'read', objects }
  }

  async write(changes: readonly ObjectChange[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    const records = changes.map(({ id, fields }) => ({
      attributes: { type: this.object },
      id,
      ...Object.fromEntries(Object.entries(fields).map(([field, fact]) => [field, jsonOfFact(fact)])),
    }))
    const body = { json: { allOrNone: false, records } }
    const sent = await this.#org.send({ method: 'PATCH', path: '/composite/sobjects', body }, signal)
    if (sent.kind !== 'good') return changes.map(() => sent)
    const results = resultsSchema.safeParse(jsonOf(sent.answer))
    if (!results.success || results.data.length !== changes.length)
      return changes.map(() => strangeAnswer(sent.answer))
    return results.data.map(({ success, errors }, index) => {
      if (success) return { kind: 'accepted', externalId: changes[index]!.id }
      const parsed = errorsSchema.safeParse(errors)
      return parsed.success ? outcomeOfErrors(parsed.data, sent.answer.redact) : strangeAnswer(sent.answer)
    })
  }
}

/** An id of 18 characters is the one of 15 and a check of its letters. */
function isSameId(ours: string, theirs: string, field: string): boolean {
  if (ours === theirs) return true
  return field === 'Id' && ours.length === 15 && theirs.startsWith(ours)
}

function jsonOfFact(fact: FactValue): unknown {
  if (fact === null) return null
  return fact.type === 'number' ? jsonNumber(fact.text) : fact.text
}
