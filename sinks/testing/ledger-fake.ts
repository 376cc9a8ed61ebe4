// A fake system of record without idempotency, like several ERPs: it keeps a document twice that is posted
// twice. It takes pages, answers 200 with errors inside, finds documents by our key, and commits late if told
// to. Also the connector to it, the smallest one that fulfils the port.

import type { Connector, ConnectorRecord, FindOutcome, PutOutcome } from '../connector.js'
import type { Receiver } from './conformance-rig.js'
import type { Fault } from './fault.js'

interface LedgerDocument {
  readonly key: string
  readonly committedAtMs: number
}

type PageAnswer =
  | { readonly status: 200; readonly rows: readonly { readonly id?: string; readonly error?: string }[] }
  | { readonly status: 401 | 429 | 503; readonly retryAfterMs?: number }
  | 'no_answer'

const settlesWithinMs = 900_000

export class LedgerFake implements Receiver {
  readonly #nowMs: () => number
  readonly #documents: LedgerDocument[] = []
  #faults: Fault[] = []
  #refuses: (record: ConnectorRecord) => string | undefined = () => undefined

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  fail(...faults: readonly Fault[]): void {
    this.#faults.push(...faults)
  }

  heal(): void {
    this.#faults = []
    this.#refuses = () => undefined
  }

  refuse(refuses: (record: ConnectorRecord) => string | undefined): void {
    this.#refuses = refuses
  }

  async effects(): Promise<string[]> {
    return this.#documents.map(({ key }) => key)
  }

  async close(): Promise<void> {}

  connector(): Connector {
    return {
      pageSize: 4,
      attemptMs: 1_000,
      settlesWithinMs,
      check: async () => ({ kind: 'ready' }),
      put: async records => outcomesOf(this.#post(records), records),
      find: async ({ key }): Promise<FindOutcome> => {
        const found = this.#documents.find(one => one.key === key && one.committedAtMs <= this.#nowMs())
        return found === undefined
          ? { kind: 'absent' }
          : { kind: 'there', externalId: `L-${key}`, state: 'posted' }
      },
    }
  }

  #post(records: readonly ConnectorRecord[]): PageAnswer {
    const fault = this.#faults.shift()
    switch (fault) {
      case 'timeout_before_commit':
        return 'no_answer'
      case '429_without':
        return { status: 429 }
      case '429_with_retry_after':
        return { status: 429, retryAfterMs: 60_000 }
      case 'outage':
        return { status: 503 }
      case 'credentials_refused':
        return { status: 401 }
      case 'timeout_after_commit':
      case undefined: {
        const late = fault === 'timeout_after_commit' ? settlesWithinMs / 2 : 0
        const rows = records.map(record => this.#take(record, late))
        return fault === 'timeout_after_commit' ? 'no_answer' : { status: 200, rows }
      }
      default:
        throw new Error(`this fake does not know ${fault}`)
    }
  }

  #take(record: ConnectorRecord, lateMs: number): { readonly id?: string; readonly error?: string } {
    const error = this.#refuses(record)
    if (error !== undefined) return { error }
    this.#documents.push({ key: record.key, committedAtMs: this.#nowMs() + lateMs })
    return { id: `L-${record.key}` }
  }
}

function outcomesOf(answer: PageAnswer, records: readonly ConnectorRecord[]): PutOutcome[] {
  if (answer === 'no_answer')
    return records.map(() => ({ kind: 'unclear', code: 'timeout', detail: 'no answer' }))
  if (answer.status === 401)
    return records.map(() => ({ kind: 'stopped', code: 'credentials_refused', detail: 'the token expired' }))
  if (answer.status !== 200) {
    const { retryAfterMs } = answer
    const wait = retryAfterMs === undefined ? {} : { retryAfterMs }
    return records.map(() => ({ kind: 'throttled', code: `http_${answer.status}`, detail: '', ...wait }))
  }
  return answer.rows.map(({ id, error }) =>
    id === undefined
      ? { kind: 'refused', code: 'error_inside', detail: error ?? '' }
      : { kind: 'accepted', externalId: id },
  )
}
