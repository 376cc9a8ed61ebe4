// The connector for support cases about exceptions: one case for each exception, and a comment with what has come of it. A
// system brings how its cases are found, made and told.
// Invariants:
// 1. A case is looked for by the exception before it is made, so a retry makes no second one.
// 2. A comment has the key of its record in it, so that it is written once.
// 3. What was settled before there was a case makes none.

import type {
  CheckOutcome,
  Connector,
  ConnectorRecord,
  FindOutcome,
  Preview,
  PutOutcome,
  SentRecord,
} from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { unknownYet } from '../http/outcome.js'
import { fieldsNotAllowed } from './allowed-fields.js'
import { type CaseDocument, readCase } from './case-record.js'

export interface CaseThere {
  readonly id: string
  /** As people there know it, such as its number. */
  readonly name: string
  readonly status: string
}

export type CaseFound =
  | { readonly kind: 'there'; readonly found: CaseThere }
  | { readonly kind: 'absent' }
  | PutOutcome

export interface CaseToTell {
  readonly told: CaseDocument
  readonly key: string
  readonly record: ConnectorRecord
}

export interface CaseSystem {
  /** `Case`, `ticket`, `issue`. */
  readonly object: string
  /** The fields that it writes, as `allow.fields` names them. */
  readonly written: readonly string[]
  readonly pageSize: number
  readonly attemptMs: number
  readonly settlesWithinMs: number
  check(signal: AbortSignal): Promise<CheckOutcome>
  find(exceptionId: string, signal: AbortSignal): Promise<CaseFound>
  create(one: CaseToTell, signal: AbortSignal): Promise<PutOutcome>
  /** Whether the comment of this record is there, and the status is as it says. */
  isTold(there: CaseThere, one: CaseToTell, signal: AbortSignal): Promise<boolean | PutOutcome>
  tell(there: CaseThere, one: CaseToTell, signal: AbortSignal): Promise<PutOutcome>
}

export class CaseConnector implements Connector {
  readonly pageSize: number
  readonly attemptMs: number
  readonly settlesWithinMs: number
  readonly #system: CaseSystem
  readonly #parts: ConnectorParts

  constructor(system: CaseSystem, parts: ConnectorParts) {
    this.pageSize = system.pageSize
    this.attemptMs = system.attemptMs
    this.settlesWithinMs = system.settlesWithinMs
    this.#system = system
    this.#parts = parts
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    return (await this.#parts.mapping.problem()) ?? this.#system.check(signal)
  }

  async put(records: readonly SentRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    const stopped = fieldsNotAllowed(this.#system.written, this.#parts.allowedFields)
    if (stopped !== undefined) return records.map(() => stopped)
    return Promise.all(records.map(record => this.#putOne(record, signal)))
  }

  async find(record: SentRecord, signal: AbortSignal): Promise<FindOutcome> {
    const read = readCase(record)
    if (read.kind !== 'ok') return { kind: 'absent' }
    const found = await this.#system.find(read.told.exception_id, signal)
    if (found.kind === 'absent') return found
    if (found.kind !== 'there') return found.kind === 'refused' ? found : unknownYet(found)
    const there = { kind: 'there', externalId: found.found.id, state: 'posted' } as const
    if (read.told.number === 1) return there
    const isTold = await this.#system.isTold(found.found, toTell(record, read.told), signal)
    if (typeof isTold !== 'boolean') return unknownYet(isTold)
    return isTold ? there : { kind: 'absent' }
  }

  async preview(record: ConnectorRecord, signal: AbortSignal): Promise<Preview> {
    const read = readCase(record)
    if (read.kind !== 'ok') return read
    const { object } = this.#system
    const { told } = read
    const found = await this.#system.find(told.exception_id, signal)
    if (found.kind === 'absent')
      return told.state === 'open'
        ? { kind: 'would', detail: `would make a ${object}: ${told.subject}` }
        : noCase(object)
    if (found.kind !== 'there') return found
    const { name, status } = found.found
    if (told.number === 1)
      return { kind: 'would', detail: `would change nothing: ${object} ${name} (${status}) is there` }
    return { kind: 'would', detail: `would tell ${object} ${name} (${status}): ${told.comment}` }
  }

  async #putOne(record: SentRecord, signal: AbortSignal): Promise<PutOutcome> {
    const read = readCase(record)
    if (read.kind !== 'ok') return read
    const one = toTell(record, read.told)
    const found = await this.#system.find(read.told.exception_id, signal) // invariant 1
    if (found.kind === 'absent')
      return read.told.state === 'open' ? this.#system.create(one, signal) : noCase(this.#system.object) // 3
    if (found.kind !== 'there') return found
    const accepted = { kind: 'accepted', externalId: found.found.id } as const
    if (read.told.number === 1) return accepted
    const isTold = await this.#system.isTold(found.found, one, signal) // invariant 2
    if (typeof isTold !== 'boolean') return isTold
    return isTold ? accepted : this.#system.tell(found.found, one, signal)
  }
}

function toTell(record: ConnectorRecord, told: CaseDocument): CaseToTell {
  return { told, key: record.key, record }
}

function noCase(object: string): PutOutcome {
  const detail = `it was settled, and there is no ${object} about it`
  return { kind: 'not_for_receiver', code: 'no_case', detail }
}
