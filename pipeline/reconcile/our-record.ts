// A record of ours as the reconciliation with a receiver compares it.

import type { Scaled } from '../../schemas/money/decimal.js'

export interface OurRecord {
  readonly key: string
  readonly kind: string
  readonly id: string
  readonly entityId: string
  readonly date: string | undefined
  readonly currency: string
  /** The sum of the debits of a journal, the amount of a line. */
  readonly amount: Scaled | undefined
  /** Of a line of a batch. */
  readonly quantity?: Scaled | undefined
  /** The balance by the receiver's accounts; undefined where they are not known. */
  readonly lines: readonly (readonly [account: string, balance: Scaled])[] | undefined
  readonly deliveryId: string
  /** Of the delivery; `not_taken_in`: the connection is not there yet; `none`: it should have one. */
  readonly state: string
  readonly code: string
  readonly externalId: string
}
