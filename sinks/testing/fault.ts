// The faults that a fake receiver can be put into, one name each for all systems.

/** What a request that writes meets. */
export type Fault =
  | 'timeout_before_commit'
  /** The receiver takes the records, perhaps a little later, and its answer is lost. */
  | 'timeout_after_commit'
  | '429_without'
  /** It asks for a minute. */
  | '429_with_retry_after'
  | '500_then_ok'
  | '500_after_commit'
  /** 503 */
  | 'outage'
  /** Nothing but a change of our credentials helps. */
  | 'credentials_refused'
  /** The token counts no longer; a new one does. */
  | 'token_expired'
  /** No answer, and the connection stays open until the client gives up. */
  | 'hang'
  | Refusal

/** A record's content is not taken. */
export type Refusal =
  | 'closed_period'
  | 'inactive_account'
  | 'unbalanced'
  | 'missing_dimension'
  | 'currency_not_enabled'
  | 'duplicate_key'
  /** The status says yes and the body no. */
  | 'ok_with_error_inside'

/** The code that every connector gives a refusal; the receiver's words stand in the detail. */
export const codeOfRefusal: Readonly<Record<Refusal, string>> = {
  closed_period: 'period_closed',
  inactive_account: 'account_inactive',
  unbalanced: 'entry_unbalanced',
  missing_dimension: 'dimension_missing',
  currency_not_enabled: 'currency_not_enabled',
  duplicate_key: 'duplicate_document',
  ok_with_error_inside: 'receiver_refused',
}

export function isRefusal(fault: Fault): fault is Refusal {
  return Object.hasOwn(codeOfRefusal, fault)
}
