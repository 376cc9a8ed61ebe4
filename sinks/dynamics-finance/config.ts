// The settings of a Dynamics 365 Finance connection, as its connector takes them.

import type { EntraAuth } from '../oauth/entra-settings.js'

export interface DynamicsFinanceSettings {
  /** `https://<environment>.operations.dynamics.com`. */
  readonly url: string
  readonly auth: EntraAuth
  /**
   * The OData action on `LedgerJournalHeaders` that posts a journal, such as one of an extension; there is none in the product.
   * Absent: people or a job there post.
   */
  readonly post_action?: string | undefined
  /** `ours`: the voucher is a hash of our key. `by_journal_name`: the number sequence of the journal name gives it. */
  readonly voucher: 'ours' | 'by_journal_name'
  /** `customers`: the receivable is booked to the customer's account (Cust), and not to a main account. */
  readonly receivables: 'ledger' | 'customers'
  /** The financial dimensions behind the main account in the integration format, in order: `dimension_1`, … of the mapping. */
  readonly dimensions: readonly string[]
  /** Between main account and dimensions. */
  readonly delimiter: string
}
