// A usage batch (usage events as an Arrow IPC stream): its columns and its limits. Columns have the names of
// the CloudEvents attributes. A row means the JSON event with these attributes; an absent column or a null
// means an absent attribute.

/** Limit of rows in a usage batch. */
export const maxUsageBatchRows = 65_536

/**
 * Limit of bytes of text in all rows; a text counts once per row that refers to it. Dictionaries make a usage
 * batch smaller than its events; this limits the decoded size to a few times the size of a message.
 */
export const maxUsageBatchTextBytes = 64_000_000

export const requiredColumns = ['id', 'source', 'type', 'subject', 'data'] as const
export const optionalColumns = ['specversion', 'subscriptionid', 'correlationid', 'traceparent'] as const

/** A column of texts. `time` may be one, or a column of timestamps. */
export type TextColumnName = (typeof requiredColumns)[number] | (typeof optionalColumns)[number]
export type UsageColumnName = TextColumnName | 'time'

/** In the order in which UsageBatchWriter writes them. */
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
