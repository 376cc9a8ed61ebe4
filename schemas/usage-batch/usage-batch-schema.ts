// A usage batch (usage events as an Arrow IPC stream or file): its columns and its limits. Columns have the names of the
// CloudEvents attributes; all others are fields of `data`. A row means the JSON event with these attributes; an absent
// column or a null means an absent attribute.

/** Limit of rows in a usage batch, and of values in a dictionary. */
export const maxUsageBatchRows = 65_536

/**
 * Limit of bytes of text in all rows; a text counts once per row that refers to it. Dictionaries make a usage
 * batch smaller than its events; this limits the decoded size to a few times the size of a message.
 */
export const maxUsageBatchTextBytes = 64_000_000

/** Limit of what all compressed buffers of a usage batch hold: as much as the largest plain message that the broker takes. */
export const maxUsageBatchPlainBytes = 8 * 1024 * 1024

export const requiredColumns = ['id', 'source', 'type', 'subject'] as const
export const optionalColumns = [
  'specversion',
  'datacontenttype',
  'subscriptionid',
  'correlationid',
  'traceparent',
] as const

/** A column of texts. `time` may be one, or a column of timestamps; `data` may be one, or a struct. */
export type TextColumnName = (typeof requiredColumns)[number] | (typeof optionalColumns)[number]
export type UsageColumnName = TextColumnName | 'time' | 'data'

export const usageColumnNames: readonly UsageColumnName[] = [
  ...requiredColumns,
  'time',
  ...optionalColumns,
  'data',
]
