// The settings of a Sage Intacct connection, as its connector takes them.

import type { SecretSource } from '../connector-kind.js'

export interface IntacctSettings {
  /** The XML gateway. */
  readonly url: string
  /** The id of the company. */
  readonly company: string
  readonly auth: {
    /** The id that Sage gives with a licence of Web Services. */
    readonly sender_id: string
    readonly sender_password: SecretSource
    /** The Web Services user in the company. */
    readonly user_id: string
    readonly user_password: SecretSource
  }
  /** The entity of the company that we sign in to; absent: the top level. */
  readonly location?: string | undefined
  /** What we ask for. Only `posted` is in effect at once; others are looked at until somebody has posted them. */
  readonly state: 'posted' | 'submitted' | 'draft'
  /** Whether Intacct refuses a request whose control id it has had; the control id of an entry is its reference. */
  readonly unique_id: boolean
  /** Whether lines say their currency. Without it the company has one currency, which the mapping names. */
  readonly multi_currency: boolean
  /** Before our key in the reference number, so that our entries are found among all. */
  readonly prefix: string
}
