// What a description of a table is: its columns, the type of a row that follows from them, and their ClickHouse types.
// Not here: which tables there are (tables.ts).

export type ColumnKind =
  | 'string'
  | 'low_cardinality'
  | 'instant_ms'
  | 'instant_ns'
  | 'nullable_instant_ns'
  | 'date'
  | 'decimal'
  | 'uint32'
  | 'uint64'
  | 'int8'
  | 'int64'
  | 'map'

/** What a column holds inside: numbers are safe integers, instants epoch milliseconds or (bigint) nanoseconds, dates `YYYY-MM-DD`. */
export type ColumnValue<K extends ColumnKind> = K extends 'string' | 'low_cardinality' | 'date'
  ? string
  : K extends 'decimal' | 'instant_ns'
    ? bigint
    : K extends 'map'
      ? ReadonlyMap<string, string>
      : K extends 'nullable_instant_ns'
        ? bigint | undefined
        : number

type Columns = Readonly<Record<string, ColumnKind>>

type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S

type FieldName<S extends string, K extends ColumnKind> = K extends 'instant_ms'
  ? `${CamelCase<S>}Ms`
  : K extends 'instant_ns' | 'nullable_instant_ns'
    ? `${CamelCase<S>}Ns`
    : CamelCase<S>

type RowOfColumns<C extends Columns> = {
  readonly [S in keyof C & string as FieldName<S, C[S]>]: ColumnValue<C[S]>
}

export interface Column {
  readonly name: string
  readonly kind: ColumnKind
  /** The row's property: the name in camelCase, with `Ms` or `Ns` for an instant. */
  readonly field: string
}

/** `R` is the type of its rows. */
export interface TableDescription<R = never> {
  readonly name: TableName
  readonly columns: readonly Column[]
  /** Never there; carries the row type. */
  readonly row?: R
}

export type RowOf<T> = T extends TableDescription<infer R> ? R : never

export type TableName =
  | 'rated_usage'
  | 'subscription_versions'
  | 'charges'
  | 'billing_batches'
  | 'batch_lines'
  | 'journal_entries'
  | 'journal_summaries'
  | 'revenue_schedule'
  | 'deliveries'
  | 'mrr_movements'
  | 'payments'
  | 'invoices'
  | 'customers'
  | 'customer_statuses'
  | 'tax_transactions'
  | 'added_charges'
  | 'dead_letters'
  | 'event_outcomes'
  | 'fx_rates'
  | 'meters'
  | 'event_dispositions'
  | 'exception_resolutions'
  | 'audit_log'
  | 'catalog_versions'
  | 'arrivals'
  | 'arrival_events'

const clickhouseTypes: Readonly<Record<ColumnKind, string>> = {
  string: 'String',
  low_cardinality: 'LowCardinality(String)',
  instant_ms: "DateTime64(3, 'UTC')",
  instant_ns: "DateTime64(9, 'UTC')",
  nullable_instant_ns: "Nullable(DateTime64(9, 'UTC'))",
  date: 'Date32',
  decimal: 'Decimal(38, 12)',
  uint32: 'UInt32',
  uint64: 'UInt64',
  int8: 'Int8',
  int64: 'Int64',
  map: 'Map(LowCardinality(String), String)',
}

export function clickhouseType(kind: ColumnKind): string {
  return clickhouseTypes[kind]
}

/** `name Type, …` for CREATE TABLE and for reading its Arrow stream with `file(path, 'ArrowStream', structure)`. */
export function clickhouseStructure(table: TableDescription<unknown>): string {
  return table.columns.map(column => `\`${column.name}\` ${clickhouseTypes[column.kind]}`).join(', ')
}

/** The column that names what a row is from: the partition's commit, or the stream's message. */
export function sequenceColumn(table: TableDescription<unknown>): 'ledger_sequence' | 'stream_sequence' {
  return table.columns.some(({ name }) => name === 'ledger_sequence') ? 'ledger_sequence' : 'stream_sequence'
}

/** A table of these columns, in this order. */
export function describe<const C extends Columns>(
  name: TableName,
  columns: C,
): TableDescription<RowOfColumns<C>> {
  return {
    name,
    columns: Object.entries(columns).map(([column, kind]) => ({
      name: column,
      kind,
      field: fieldOf(column, kind),
    })),
  }
}

function fieldOf(column: string, kind: ColumnKind): string {
  const camel = column.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase())
  if (kind === 'instant_ms') return `${camel}Ms`
  return kind === 'instant_ns' || kind === 'nullable_instant_ns' ? `${camel}Ns` : camel
}
