// Why bad data was refused: the stable codes, and the value that carries one.
// A rejection is data, never an exception: it becomes a verdict at the gateway or a dead letter in the pipeline.

/** Every code that an event, a lifecycle change or a message can be refused with. Stable for ever. */
export type RejectionCode =
  // the message or the envelope
  | 'empty_message'
  | 'malformed_json'
  | 'malformed_arrow'
  | 'unsupported_content_type'
  | 'unsupported_content_encoding'
  | 'malformed_encoding'
  | 'body_too_large'
  | 'too_many_events'
  | 'not_an_object'
  | 'missing_attribute'
  | 'invalid_attribute'
  | 'unsupported_specversion'
  | 'invalid_time'
  | 'time_out_of_range'
  | 'invalid_data'
  | 'unknown_event_type'
  | 'wrong_partition'
  | 'wrong_stream'
  | 'personal_data_in_clear'
  | 'schema_mismatch'
  // time
  | 'event_time_in_future'
  | 'older_than_dedupe_horizon'
  // identity
  | 'conflicting_duplicate'
  | 'conflicting_version'
  | 'conflicting_catalog'
  // values
  | 'invalid_value'
  | 'value_out_of_range'
  | 'negative_value'
  // attach and rate
  | 'no_subscription'
  | 'ambiguous_subscription'
  | 'subscription_suspended'
  | 'no_matrix_cell'
  | 'too_many_groups'
  | 'unknown_subscription'
  | 'unknown_plan'
  | 'currency_not_in_plan'
  | 'unknown_event'
  | 'event_not_kept'
  | 'customer_mismatch'
  | 'invalid_catalog'
  | 'parked_overflow'

/** `pointer` is the JSON pointer (RFC 6901) of the offending value inside the event. */
export interface Rejection {
  readonly code: RejectionCode
  readonly detail: string
  readonly pointer?: string
}

export type Parsed<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }

/** A refusal as a value. */
export function rejected(
  code: RejectionCode,
  detail: string,
  pointer?: string,
): { readonly kind: 'rejected'; readonly rejection: Rejection } {
  return {
    kind: 'rejected',
    rejection: pointer === undefined ? { code, detail } : { code, detail, pointer },
  }
}

/** One step further down a JSON pointer (RFC 6901). */
export function pointerTo(parent: string, key: string | number): string {
  return `${parent}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`
}
