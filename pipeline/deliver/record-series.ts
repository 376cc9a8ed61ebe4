// Records that tell how one thing stands, such as a customer: of a series the newest alone is worth sending.
// Invariants:
// 1. A record is not sent once a newer one of its series was taken in.
// 2. The newest waits until no older one can still be on its way, so an older one never overwrites it.

import type { ConnectorRecord } from '../../sinks/connector.js'

type Told = Pick<ConnectorRecord, 'kind' | 'document'>

/** Undefined: each record of its kind counts. */
export function seriesOf({ kind, document }: Told): string | undefined {
  const { customer_id: customer, exception_id: exception } = document
  if (kind === 'customer_standing' && typeof customer === 'string') return `standing ${customer}`
  if (kind === 'support_case' && typeof exception === 'string') return `case ${exception}`
  return undefined
}

/** The series of what is not settled. */
export class RecordSeries {
  /** By series the deliveries and where their records lie in the source. */
  readonly #members = new Map<string, Map<string, number>>()

  add(record: Told, deliveryId: string, sourceSequence: number): void {
    const series = seriesOf(record)
    if (series === undefined) return
    const members = this.#members.get(series) ?? new Map<string, number>()
    this.#members.set(series, members.set(deliveryId, sourceSequence))
  }

  remove(record: Told, deliveryId: string): void {
    const series = seriesOf(record)
    if (series === undefined) return
    const members = this.#members.get(series)
    members?.delete(deliveryId)
    if (members?.size === 0) this.#members.delete(series)
  }

  get isEmpty(): boolean {
    return this.#members.size === 0
  }

  /** Whether a newer one of its series is there. */
  isOutrun(record: Told, sourceSequence: number): boolean {
    return this.#some(record, other => other > sourceSequence)
  }

  /** Whether an older one of its series is there. */
  hasOlder(record: Told, sourceSequence: number): boolean {
    return this.#some(record, other => other < sourceSequence)
  }

  #some(record: Told, holds: (sourceSequence: number) => boolean): boolean {
    if (this.isEmpty) return false
    const series = seriesOf(record)
    const members = series === undefined ? undefined : this.#members.get(series)
    return members !== undefined && [...members.values()].some(holds)
  }
}
