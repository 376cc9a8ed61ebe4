// Decides what each column of a usage batch is: an attribute, `data`, or a field of `data`; and refuses what cannot be
// read, with the name of the column and the reason.
// Invariants: no column is dropped that the sender could miss; nothing depends on the order of the columns.

import { ArrowFault } from './usage-batch-fault.js'
import type { ArrowField } from './usage-batch-fields.js'
import { requiredColumns, usageColumnNames } from './usage-batch-schema.js'
import { isTextType } from './usage-batch-texts.js'
import { shownName, unwritableType } from './usage-batch-values.js'

/**
 * `attribute`: a column of texts or of instants, as one of ours. `data`: all of `data` as a struct or a map. `field`: a
 * member of `data`. `ignored`: the row numbers that pandas adds, and `dataschema`, which Weir does not read.
 */
export type ColumnRole = 'attribute' | 'data' | 'field' | 'ignored'

export interface Column {
  readonly field: ArrowField
  readonly role: ColumnRole
}

const known: ReadonlySet<string> = new Set(usageColumnNames)
const ignored = /^(?:__index_level_\d+__|dataschema)$/

/** Throws an ArrowFault that names the first column that cannot be taken. */
export function columnsOf(fields: readonly ArrowField[]): Column[] {
  const columns = fields.map(field => ({ field, role: roleOf(field) }))
  const seen = new Set<string>()
  for (const { field, role } of columns) {
    if (seen.has(field.name)) throw new ArrowFault(`the column ${shownName(field.name)} is there twice`)
    seen.add(field.name)
    const problem = role === 'attribute' ? attributeProblem(field) : unwritableType(field)
    if (problem !== undefined) throw new ArrowFault(`the column ${shownName(field.name)} ${problem}`)
  }
  const missing = requiredColumns.find(name => !seen.has(name))
  if (missing !== undefined) throw new ArrowFault(`the column "${missing}" is missing`)
  assertOneData(columns)
  return columns
}

function roleOf({ name, type }: ArrowField): ColumnRole {
  if (name === 'data') return type.kind === 'struct' || type.kind === 'map' ? 'data' : 'attribute'
  if (name === 'data_base64') throw new ArrowFault('the column "data_base64" is not taken; send "data"')
  if (known.has(name)) return 'attribute'
  return ignored.test(name) ? 'ignored' : 'field'
}

function attributeProblem({ name, type, dictionary }: ArrowField): string | undefined {
  const isRequired = requiredColumns.some(required => required === name)
  if (isTextType(type)) return undefined
  if (type.kind === 'null' && !isRequired && dictionary === undefined) return undefined
  if (name === 'time' && type.kind === 'timestamp' && dictionary === undefined) return undefined
  const wanted =
    name === 'time' ? 'text or a timestamp' : name === 'data' ? 'a struct, a map or JSON text' : 'text'
  return `has the type ${type.kind === 'other' ? type.name : type.kind}; it is ${wanted}`
}

/** Members of `data` have one place each: text that holds them all leaves none for columns. */
function assertOneData(columns: readonly Column[]): void {
  const firstField = columns.find(({ role }) => role === 'field')
  const data = columns.find(({ field }) => field.name === 'data')?.field
  if (firstField === undefined || data === undefined || data.type.kind === 'null') return
  const beside = `the column ${shownName(firstField.field.name)} would be a field of data`
  if (data.type.kind !== 'struct') {
    throw new ArrowFault(`${beside}, but the column "data" holds all of it; send one of both`)
  }
  const twice = columns.find(
    ({ field, role }) => role === 'field' && data.children.some(child => child.name === field.name),
  )
  if (twice !== undefined) {
    throw new ArrowFault(`the column ${shownName(twice.field.name)} is a field of the column "data", too`)
  }
}
