// What was made of a line of a charge: its batch, its entry, and the deliveries of both, as ClickHouse has them.

export interface Batch {
  readonly batch_id: string
  readonly billing_run_id: string
  readonly entity_id: string
  readonly currency: string
  readonly number: number
  readonly of: number
  readonly sealed_at: string
  readonly stream_sequence: number
}

export interface Journal {
  readonly journal_id: string
  readonly charge_id: string
  readonly batch_id: string
  readonly accounting_date: string
  readonly debit_account: string
  readonly credit_account: string
  readonly amount: string
  readonly posted_at: string
  readonly stream_sequence: number
}

export interface Delivery {
  readonly delivery_id: string
  readonly connection: string
  readonly record_kind: string
  readonly record_id: string
  readonly state: string
  readonly external_id: string
  readonly changed_at: string
  readonly attempt_count: number
  readonly code: string
  readonly detail: string
}
