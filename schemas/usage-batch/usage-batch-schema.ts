// A batch of usage events as an Arrow IPC stream: its columns, and how much one may hold.
// Columns bear the names of the CloudEvents attributes. A row is the JSON event with these attributes, an absent column
// or a null an absent attribute.

/** Rows of one batch. */
export const maxUsageBatchRows = 65_536

/**
 * Bytes of text in all rows, a text counting as often as rows refer to it. Dictionaries make a batch smaller than its
 * events; this keeps what it grows to within a few times of what a message may hold.
 */
export const maxUsageBatchTextBytes = 64_000_000

export const requiredColumns = ['id', 'source', 'type', 'subject', 'data'] as const
export const optionalColumns = ['specversion', 'subscriptionid', 'correlationid', 'traceparent'] as const

/** A column of texts. `time` may be one, or a column of timestamps. */
export type TextColumnName = (typeof requiredColumns)[number] | (typeof optionalColumns)[number]
export type UsageColumnName = TextColumnName | 'time'

/** In the order in which batches of ours have them. */
export const usageColumnNames: readonly UsageColumnName[] = [
  'id',
  'source',
  'type',
  'subject',
  'time',
  'subscriptionid',
  'correlationid',
  'traceparent',
  'data',
  'specversion',
]
