// Columns of any type as JSON text, row by row: the fields of `data`.
// Invariants: a null is an absent member, and `null` only within a list; offsets, lengths and indices are checked when a
// column is made; the text of a batch is bounded, however often a row refers to the same values; a value that JSON
// cannot write harms its own row only.

import { pointerTo, type Rejection, rejected } from '../rejection.js'
import {
  type BlockCursor,
  type DictionaryRows,
  dictionaryRows,
  isNull,
  offsetsOf,
  type Validity,
  validityOf,
} from './usage-batch-block.js'
import { TimestampTexts } from './usage-batch-columns.js'
import { ArrowFault } from './usage-batch-fault.js'
import type { ArrowField } from './usage-batch-fields.js'
import { type ScalarReader, type ScalarType, scalarBytes, scalarReader } from './usage-batch-scalars.js'
import { type TextValues, textColumn, unreadable, unwritable } from './usage-batch-texts.js'

/** What the columns of one batch share. */
export interface ValueContext {
  /** Counts text and visited values; throws when there are too many. */
  grow(amount: number): void
  dictionary(id: number): readonly DictionaryEntry[]
  readonly fault: RowFault
}

/** A value of a dictionary as JSON text; undefined for a null; or why it cannot be written. */
export type DictionaryEntry = string | undefined | Rejection

/** Why the row under way cannot be written: the first of its values that cannot. */
export class RowFault {
  #rejection: Rejection | undefined

  note(pointer: string, why: string): void {
    this.keep(rejected('invalid_data', `The value of ${pointer} ${why}.`, pointer).rejection)
  }

  keep(rejection: Rejection): void {
    this.#rejection ??= rejection
  }

  /** Begins the next row. */
  take(): Rejection | undefined {
    const taken = this.#rejection
    this.#rejection = undefined
    return taken
  }
}

export interface JsonValues {
  readonly length: number
  /** The JSON text of a row; undefined for a null, and for a value that cannot be written. */
  at(row: number): string | undefined
}

/** Why a column cannot be a field of `data`; undefined when it can. */
export function unwritableType({ type, children }: ArrowField): string | undefined {
  switch (type.kind) {
    case 'other':
      return `has the type ${type.name}, for which JSON has no form`
    case 'list':
    case 'fixed_size_list':
      if (children.length !== 1) return 'is a list without values'
      break
    case 'map':
      if (children.length !== 1 || !isMapOfTexts(children[0]!)) return 'is a map whose keys are not texts'
      break
    case 'struct':
      if (new Set(children.map(({ name }) => name)).size < children.length)
        return 'has two fields of the same name'
      break
    default:
      return undefined
  }
  for (const child of children) {
    const problem = unwritableType(child)
    if (problem !== undefined) return `has within it ${shownName(child.name)}, which ${problem}`
  }
  return undefined
}

export function shownName(name: string): string {
  return JSON.stringify(name.slice(0, 64))
}

function isMapOfTexts({ type, children }: ArrowField): boolean {
  const key = children[0]?.type.kind
  return type.kind === 'struct' && children.length === 2 && (key === 'utf8' || key === 'utf8_view')
}

/** The column of a field for which `unwritableType` finds nothing. `pointer` names it in faults. */
export function jsonColumn(
  field: ArrowField,
  cursor: BlockCursor,
  context: ValueContext,
  pointer: string,
): JsonValues {
  const { type, dictionary } = field
  if (dictionary !== undefined) {
    const values = context.dictionary(dictionary.id)
    return new DictionaryJson(dictionaryRows(cursor, dictionary, values.length), values, context)
  }
  switch (type.kind) {
    case 'null':
      return { length: cursor.node().length, at: () => undefined }
    case 'utf8':
    case 'utf8_view':
      return new TextJson(textColumn(cursor, type, context.grow), context, pointer)
    case 'timestamp':
      return new TextJson(new TimestampTexts(cursor, type.unit), context, pointer)
    case 'bool':
      return new BoolJson(cursor, context)
    case 'list':
    case 'fixed_size_list':
      return new ListJson(field, cursor, context, pointer)
    case 'struct':
      return new StructJson(field, cursor, context, pointer)
    case 'map':
      return new MapJson(field, cursor, context, pointer)
    case 'other':
      throw new ArrowFault(`it has a value of the type ${type.name}`)
    default:
      return new ScalarJson(type, cursor, context, pointer)
  }
}

class DictionaryJson implements JsonValues {
  readonly length: number
  readonly #rows: DictionaryRows
  readonly #values: readonly DictionaryEntry[]
  readonly #context: ValueContext

  constructor(rows: DictionaryRows, values: readonly DictionaryEntry[], context: ValueContext) {
    this.length = rows.length
    this.#rows = rows
    this.#values = values
    this.#context = context
  }

  at(row: number): string | undefined {
    if (isNull(this.#rows.validity, row)) return undefined
    const value = this.#values[this.#rows.indices[row]!]
    if (typeof value === 'string') {
      this.#context.grow(value.length)
      return value
    }
    if (value !== undefined) this.#context.fault.keep(value)
    return undefined
  }
}

class TextJson implements JsonValues {
  readonly length: number
  readonly #texts: TextValues
  readonly #context: ValueContext
  readonly #pointer: string

  constructor(texts: TextValues, context: ValueContext, pointer: string) {
    this.length = texts.length
    this.#texts = texts
    this.#context = context
    this.#pointer = pointer
  }

  at(row: number): string | undefined {
    const text = this.#texts.at(row)
    if (text === undefined) return undefined
    if (text === unreadable) this.#context.fault.note(this.#pointer, 'is not UTF-8')
    else if (text === unwritable)
      this.#context.fault.note(this.#pointer, 'lies outside of the years 0 to 9999')
    else {
      this.#context.grow(text.length)
      return JSON.stringify(text)
    }
    return undefined
  }
}

class BoolJson implements JsonValues {
  readonly length: number
  readonly #validity: Validity
  readonly #bits: Uint8Array
  readonly #context: ValueContext

  constructor(cursor: BlockCursor, context: ValueContext) {
    const node = cursor.node()
    this.length = node.length
    this.#validity = validityOf(cursor, node)
    this.#bits = cursor.buffer(Math.ceil(node.length / 8))
    this.#context = context
  }

  at(row: number): string | undefined {
    if (isNull(this.#validity, row)) return undefined
    this.#context.grow(4)
    return ((this.#bits[row >> 3]! >> (row & 7)) & 1) === 1 ? 'true' : 'false'
  }
}

class ScalarJson implements JsonValues {
  readonly length: number
  readonly #validity: Validity
  readonly #view: DataView
  readonly #read: ScalarReader
  readonly #context: ValueContext
  readonly #pointer: string
  readonly #why: string

  constructor(type: ScalarType, cursor: BlockCursor, context: ValueContext, pointer: string) {
    const node = cursor.node()
    this.length = node.length
    this.#validity = validityOf(cursor, node)
    this.#view = cursor.values(node.length * scalarBytes(type))
    this.#read = scalarReader(type)
    this.#context = context
    this.#pointer = pointer
    this.#why = type.kind === 'float' ? 'is no finite number' : `is no ${type.kind} that can be written`
  }

  at(row: number): string | undefined {
    if (isNull(this.#validity, row)) return undefined
    const text = this.#read(this.#view, row)
    if (text === undefined) this.#context.fault.note(this.#pointer, this.#why)
    this.#context.grow(text?.length ?? 0)
    return text
  }
}

/** Rows of values that lie one after another in another column: `[from(row), from(row + 1))`. */
class Ranges {
  readonly length: number
  readonly validity: Validity
  readonly #offsets: Int32Array | undefined
  readonly #size: number

  constructor({ type }: ArrowField, cursor: BlockCursor) {
    const node = cursor.node()
    this.length = node.length
    this.validity = validityOf(cursor, node)
    this.#size = type.kind === 'fixed_size_list' ? type.size : 0
    const offsetBytes = type.kind === 'list' ? type.offsetBytes : 4
    this.#offsets = type.kind === 'fixed_size_list' ? undefined : offsetsOf(cursor, node.length, offsetBytes)
  }

  from(row: number): number {
    return this.#offsets === undefined ? row * this.#size : this.#offsets[row]!
  }
}

function assertHolds(values: JsonValues, length: number): void {
  if (values.length < length) throw new ArrowFault('a column has fewer values than its rows need')
}

/** What an element counts beside its text. Elements may be nulls, which take no bytes of the message but take time. */
const elementCost = 16

class ListJson implements JsonValues {
  readonly length: number
  readonly #ranges: Ranges
  readonly #values: JsonValues
  readonly #context: ValueContext

  constructor(field: ArrowField, cursor: BlockCursor, context: ValueContext, pointer: string) {
    this.#ranges = new Ranges(field, cursor)
    this.length = this.#ranges.length
    this.#values = jsonColumn(field.children[0]!, cursor, context, pointer)
    this.#context = context
    assertHolds(this.#values, this.#ranges.from(this.length))
  }

  at(row: number): string | undefined {
    if (isNull(this.#ranges.validity, row)) return undefined
    const until = this.#ranges.from(row + 1)
    let text = ''
    for (let at = this.#ranges.from(row); at < until; at += 1) {
      this.#context.grow(elementCost)
      text += `${text === '' ? '' : ','}${this.#values.at(at) ?? 'null'}`
    }
    return `[${text}]`
  }
}

class StructJson implements JsonValues {
  readonly length: number
  readonly #validity: Validity
  readonly #members: readonly { readonly key: string; readonly values: JsonValues }[]
  readonly #context: ValueContext

  constructor({ children }: ArrowField, cursor: BlockCursor, context: ValueContext, pointer: string) {
    const node = cursor.node()
    this.length = node.length
    this.#validity = validityOf(cursor, node)
    this.#members = children.map(child => ({
      key: `${JSON.stringify(child.name)}:`,
      values: jsonColumn(child, cursor, context, pointerTo(pointer, child.name)),
    }))
    this.#context = context
    for (const { values } of this.#members) assertHolds(values, this.length)
  }

  at(row: number): string | undefined {
    if (isNull(this.#validity, row)) return undefined
    let text = ''
    for (const { key, values } of this.#members) {
      this.#context.grow(key.length)
      const value = values.at(row)
      if (value !== undefined) text += `${text === '' ? '' : ','}${key}${value}`
    }
    return `{${text}}`
  }
}

/** An object with a member for each entry. */
class MapJson implements JsonValues {
  readonly length: number
  readonly #ranges: Ranges
  readonly #keys: JsonValues
  readonly #values: JsonValues
  readonly #context: ValueContext
  readonly #pointer: string

  constructor(field: ArrowField, cursor: BlockCursor, context: ValueContext, pointer: string) {
    this.#ranges = new Ranges(field, cursor)
    this.length = this.#ranges.length
    const node = cursor.node()
    validityOf(cursor, node) // entries are never null
    const [key, value] = field.children[0]!.children
    this.#keys = jsonColumn(key!, cursor, context, pointer)
    this.#values = jsonColumn(value!, cursor, context, pointer)
    this.#context = context
    this.#pointer = pointer
    assertHolds(this.#keys, this.#ranges.from(this.length))
    assertHolds(this.#values, this.#ranges.from(this.length))
  }

  at(row: number): string | undefined {
    if (isNull(this.#ranges.validity, row)) return undefined
    const until = this.#ranges.from(row + 1)
    let text = ''
    for (let at = this.#ranges.from(row); at < until; at += 1) {
      this.#context.grow(elementCost)
      const key = this.#keys.at(at)
      const value = this.#values.at(at)
      if (key === undefined) this.#context.fault.note(this.#pointer, 'is a map with a key that is null')
      else if (value !== undefined) text += `${text === '' ? '' : ','}${key}:${value}`
    }
    return `{${text}}`
  }
}
