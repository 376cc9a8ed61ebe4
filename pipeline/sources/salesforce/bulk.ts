// Which records of an object changed in a stretch of the org's time: by a query, or by a job of the Bulk API 2.0 where there are
// more than 2,000. Only ids and times are read so; the records are read whole after it.
// Invariant: the order is that of SystemModstamp and id, also within a job, so that it goes on where it ended.

import { parse } from 'csv-parse/sync'
import { parseJson } from '../../../schemas/json/json-text.js'
import { pauseFor } from '../../broker/back-off.js'
import { SourceTrouble } from '../source-kind.js'
import { textOf } from './documents.js'
import { idToGoOn, isRecordId, NotThere, type Org } from './org.js'

/** Where a part ended. */
export type ListPosition =
  | { readonly kind: 'query'; readonly modstamp: string; readonly id: string }
  | { readonly kind: 'job'; readonly job: string; readonly locator: string }

export interface ListPart {
  readonly ids: readonly string[]
  /** Undefined: that was all. */
  readonly position: ListPosition | undefined
  /** Of all parts, where it is known. */
  readonly total?: number
}

export interface Stretch {
  readonly object: string
  readonly fromMs: number
  /** Undefined: up to now. */
  readonly untilMs: number | undefined
}

const bulkFrom = 2_000
const pollMs = 500
const pollsMost = 1_200

export class ChangedRecords {
  readonly #org: Org
  readonly #bulkFrom: number
  readonly #pageOf: number
  readonly #pollMs: number

  constructor(
    org: Org,
    ofTests: { readonly bulkFrom?: number; readonly pageOf?: number; readonly pollMs?: number } = {},
  ) {
    this.#org = org
    this.#bulkFrom = ofTests.bulkFrom ?? bulkFrom
    this.#pageOf = ofTests.pageOf ?? 500
    this.#pollMs = ofTests.pollMs ?? pollMs
  }

  async part(stretch: Stretch, position: ListPosition | undefined, signal: AbortSignal): Promise<ListPart> {
    if (position?.kind === 'job') {
      try {
        return await this.#results(position.job, position.locator, signal)
      } catch (error) {
        if (!(error instanceof NotThere)) throw error // the job is gone: it begins again
      }
    }
    if (position?.kind === 'query') return this.#page(stretch, position, signal)
    const { total } = await this.#org.query(
      `SELECT COUNT() FROM ${stretch.object} WHERE ${within(stretch)}`,
      signal,
    )
    if (total <= this.#bulkFrom) return { ...(await this.#page(stretch, undefined, signal)), total }
    const job = await this.#begin(stretch, signal)
    return { ...(await this.#results(job, '', signal)), total }
  }

  async #page(
    stretch: Stretch,
    after: Extract<ListPosition, { kind: 'query' }> | undefined,
    signal: AbortSignal,
  ): Promise<ListPart> {
    const { modstamp, id } = after ?? { modstamp: '', id: '' }
    const behind =
      after === undefined
        ? ''
        : ` AND (SystemModstamp > ${modstamp} OR (SystemModstamp = ${modstamp} AND Id > '${id}'))`
    const soql =
      `SELECT Id, SystemModstamp FROM ${stretch.object} WHERE ${within(stretch)}${behind} ` +
      `ORDER BY SystemModstamp, Id LIMIT ${this.#pageOf}`
    const { records } = await this.#org.query(soql, signal)
    const ids = records.map(one => textOf(one, 'Id'))
    const last = records.at(-1)
    if (last === undefined || records.length < this.#pageOf) return { ids, position: undefined }
    const atMs = Date.parse(textOf(last, 'SystemModstamp'))
    if (Number.isNaN(atMs))
      throw new SourceTrouble('answer_not_understood', `A ${stretch.object} has no SystemModstamp.`)
    return { ids, position: { kind: 'query', modstamp: literal(atMs), id: idToGoOn(last) } }
  }

  async #begin(stretch: Stretch, signal: AbortSignal): Promise<string> {
    const query = `SELECT Id, SystemModstamp FROM ${stretch.object} WHERE ${within(stretch)} ORDER BY SystemModstamp, Id`
    const json = { operation: 'queryAll', query }
    const answer = await this.#org.call({ method: 'POST', path: '/jobs/query', body: { json } }, signal)
    const job = parseJson(answer.body)
    const id = job.kind === 'ok' ? textOf(job.value as Record<string, unknown>, 'id') : ''
    if (!isRecordId(id))
      throw new SourceTrouble('answer_not_understood', 'Salesforce answers with a job without an id.')
    for (let polls = 0; polls < pollsMost && !signal.aborted; polls += 1) {
      const state = await this.#stateOf(id, signal)
      if (state === 'JobComplete') return id
      if (state === 'Failed' || state === 'Aborted')
        throw new SourceTrouble('bulk_job_failed', `The job ${id} for ${stretch.object} is ${state}.`)
      await pauseFor(this.#pollMs, signal)
    }
    throw new SourceTrouble('bulk_job_slow', `The job ${id} for ${stretch.object} has not ended yet.`)
  }

  async #stateOf(id: string, signal: AbortSignal): Promise<string> {
    const answer = await this.#org.call(
      { method: 'GET', path: `/jobs/query/${encodeURIComponent(id)}` },
      signal,
    )
    const json = parseJson(answer.body)
    return json.kind === 'ok' ? textOf(json.value as Record<string, unknown>, 'state') : ''
  }

  async #results(job: string, locator: string, signal: AbortSignal): Promise<ListPart> {
    const query = { maxRecords: String(this.#pageOf), ...(locator === '' ? {} : { locator }) }
    const path = `/jobs/query/${encodeURIComponent(job)}/results`
    const { body, headers } = await this.#org.call({ method: 'GET', path, query }, signal)
    const rows = parse(body, { columns: true, skip_empty_lines: true }) as Record<string, string>[]
    const next = headers.get('sforce-locator') ?? 'null'
    return {
      ids: rows.map(one => one['Id'] ?? ''),
      position: next === 'null' || next === '' ? undefined : { kind: 'job', job, locator: next },
    }
  }
}

function within({ fromMs, untilMs }: Stretch): string {
  const until = untilMs === undefined ? '' : ` AND SystemModstamp < ${literal(untilMs)}`
  return `SystemModstamp >= ${literal(fromMs)}${until}`
}

/** An instant as SOQL writes it. */
function literal(ms: number): string {
  return new Date(ms).toISOString()
}
