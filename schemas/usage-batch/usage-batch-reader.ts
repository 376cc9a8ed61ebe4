// Gathers the dictionaries and record batches of an Arrow stream into the columns of a usage batch.
// Invariants: rows and text are bounded; earlier record batches keep the dictionary of their time.

import { pointerTo } from '../rejection.js'
import { type ArrowBlock, BlockCursor } from './usage-batch-block.js'
import { DictionaryTexts, type DictionaryValues, NullTexts, TimestampTexts } from './usage-batch-columns.js'
import { type DataField, dataColumn } from './usage-batch-data.js'
import { ArrowFault, TooLarge } from './usage-batch-fault.js'
import type { ArrowField } from './usage-batch-fields.js'
import { type Column, columnsOf } from './usage-batch-roles.js'
import { maxUsageBatchRows, maxUsageBatchTextBytes, type UsageColumnName } from './usage-batch-schema.js'
import type { ArrowVisitor } from './usage-batch-stream.js'
import { isTextType, type PlainTexts, type TextValues, textColumn } from './usage-batch-texts.js'
import { type DictionaryEntry, type JsonValues, jsonColumn, RowFault } from './usage-batch-values.js'

/** The rows of one record batch, by column. */
export interface UsageRows {
  readonly length: number
  readonly columns: Readonly<Partial<Record<UsageColumnName, TextValues>>>
}

export class UsageBatchReader implements ArrowVisitor {
  readonly parts: UsageRows[] = []
  rows = 0
  #textBytes = 0
  #columns: readonly Column[] = []
  readonly #texts = new Map<number, DictionaryValues>()
  readonly #entries = new Map<number, readonly DictionaryEntry[]>()
  readonly #context = {
    grow: (amount: number) => this.#grow(amount),
    dictionary: (id: number) => this.#entries.get(id) ?? [],
    fault: new RowFault(),
  }

  schema(fields: readonly ArrowField[]): void {
    this.#columns = columnsOf(fields)
  }

  /** One dictionary may serve an attribute and a field of `data`. */
  dictionary(id: number, block: ArrowBlock, isDelta: boolean): void {
    assertCount(block.length, 'values in a dictionary')
    const isAttribute = ({ role }: Column) => role === 'attribute'
    const attribute = this.#columns.find(one => isAttribute(one) && one.field.dictionary?.id === id)?.field
    const others = this.#columns.filter(one => !isAttribute(one)).map(({ field }) => field)
    const value = fieldOfDictionary(others, id)
    if (attribute !== undefined && isTextType(attribute.type))
      this.#addTexts(id, textColumn(new BlockCursor(block), attribute.type, this.#context.grow), isDelta)
    if (value !== undefined) {
      const plain = { ...value, dictionary: undefined }
      this.#addEntries(id, jsonColumn(plain, new BlockCursor(block), this.#context, '/data'), isDelta)
    }
    if (attribute === undefined && value === undefined)
      throw new ArrowFault('it has a dictionary that no column wants')
  }

  /** Values are appended or replaced, never changed. */
  #addTexts(id: number, texts: PlainTexts, isDelta: boolean): void {
    const before = isDelta ? this.#texts.get(id) : undefined
    const values = before?.values ?? []
    for (let i = 0; i < texts.length; i += 1) values.push(texts.at(i))
    assertCount(values.length, 'values in a dictionary')
    this.#texts.set(id, { values, texts: before === undefined ? texts : undefined })
  }

  #addEntries(id: number, column: JsonValues, isDelta: boolean): void {
    const entries = isDelta ? [...(this.#entries.get(id) ?? [])] : []
    for (let i = 0; i < column.length; i += 1) {
      const text = column.at(i)
      entries.push(this.#context.fault.take() ?? text)
    }
    assertCount(entries.length, 'values in a dictionary')
    this.#entries.set(id, entries)
  }

  batch(block: ArrowBlock): void {
    const { length } = block
    this.rows += length
    assertCount(this.rows, 'rows')
    const cursor = new BlockCursor(block)
    const columns: Partial<Record<UsageColumnName, TextValues>> = {}
    const fields: DataField[] = []
    let whole: JsonValues | undefined
    for (const { field, role } of this.#columns) {
      if (role === 'attribute') {
        const texts = this.#attribute(field, cursor)
        assertLength(texts, length)
        columns[field.name as UsageColumnName] = texts
        continue
      }
      const values = jsonColumn(
        field,
        cursor,
        this.#context,
        role === 'data' ? '/data' : pointerTo('/data', field.name),
      )
      assertLength(values, length)
      if (role === 'data') whole = values
      if (role === 'field') fields.push({ name: field.name, values })
    }
    if (whole !== undefined || fields.length > 0)
      columns.data = dataColumn(length, whole, fields, this.#context.fault)
    this.parts.push({ length, columns })
  }

  #attribute({ type, dictionary }: ArrowField, cursor: BlockCursor): TextValues {
    if (dictionary === undefined && isTextType(type)) return textColumn(cursor, type, this.#context.grow)
    const column =
      dictionary !== undefined
        ? new DictionaryTexts(cursor, dictionary, this.#texts.get(dictionary.id) ?? noValues)
        : type.kind === 'timestamp'
          ? new TimestampTexts(cursor, type.unit)
          : new NullTexts(cursor.node().length)
    this.#grow(column.textBytes)
    return column
  }

  #grow(textBytes: number): void {
    this.#textBytes += textBytes
    if (this.#textBytes > maxUsageBatchTextBytes)
      throw new TooLarge(`The rows of the batch have more than ${maxUsageBatchTextBytes} bytes of text.`)
  }
}

const noValues: DictionaryValues = { values: [], texts: undefined }

function fieldOfDictionary(fields: readonly ArrowField[], id: number): ArrowField | undefined {
  for (const field of fields) {
    if (field.dictionary?.id === id) return field
    const within = fieldOfDictionary(field.children, id)
    if (within !== undefined) return within
  }
  return undefined
}

function assertLength(column: { readonly length: number }, length: number): void {
  if (column.length !== length) throw new ArrowFault('a column has another length than its batch')
}

function assertCount(count: number, what: string): void {
  if (count > maxUsageBatchRows)
    throw new TooLarge(`A batch has at most ${maxUsageBatchRows} ${what}; this one has ${count} or more.`)
}
