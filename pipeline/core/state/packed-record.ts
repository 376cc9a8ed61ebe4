// A record of plain data as bytes, in a text of one byte a character: a tenth of the memory of its objects, and nothing that
// the garbage collector walks through. Names of fields, and texts that one record after another has at the same place, are
// kept once in a table; a text that the record has had before is a number; JSON text is kept as the value that it stands for
// where that gives the same text again.
// Invariants: what was packed is read back equal, fields that are undefined included; a table only grows, so what was packed
// with a part of it is read with all of it.

import { Buffer } from 'node:buffer'
import { ByteReader, ByteWriter } from './byte-writer.js'

/** What records were packed with. */
export interface PackedTable {
  /** How many names of fields, and how many texts, came before these. */
  readonly from: readonly [shapes: number, texts: number]
  /** The names of the fields of an object, in their order. */
  readonly shapes: readonly (readonly string[])[]
  readonly texts: readonly string[]
}

interface Shape {
  readonly number: number
  readonly keys: readonly string[]
  /** By key: the texts that objects of this shape had lately. */
  readonly lately: string[][]
}

const tag = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  whole: 4,
  negative: 5,
  double: 6,
  big: 7,
  text: 8,
  textBefore: 9,
  sharedText: 10,
  hex: 11,
  json: 12,
  array: 13,
  map: 14,
  object: 15,
  /** Of a shape that is in no table: its keys stand before its values. */
  otherObject: 16,
} as const

const mostShared = 4_096
/** Longer texts and names are not shared. */
const longestShared = 256
const longestJson = 65_536
const textsLately = 4
/** Half as long when it is packed. */
const hexText = /^[0-9a-f]{2}(?:[0-9a-f]{2}){7,}$/
/** How ids of ours begin: letters, then `_`. */
const idPrefix = /^[a-z]{1,8}_/

export class RecordPacker {
  readonly #shapes: Shape[] = []
  readonly #shapeOf = new Map<string, Shape>()
  readonly #texts: string[] = []
  readonly #textNumbers = new Map<string, number>()
  #told: [shapes: number, texts: number] = [0, 0]
  readonly #out = new ByteWriter()
  /** The texts of the record at hand. */
  readonly #before = new Map<string, number>()
  readonly #read: string[] = []

  /** `mark` is the first character of the text. */
  pack(mark: number, record: unknown): string {
    this.#out.clear()
    this.#before.clear()
    this.#out.byte(mark)
    this.#write(record, undefined, 0)
    const { written } = this.#out
    return Buffer.from(written.buffer, written.byteOffset, written.length).toString('latin1')
  }

  unpack(packed: string): unknown {
    this.#read.length = 0
    const reader = new ByteReader(Buffer.from(packed, 'latin1'), 1)
    return this.#value(reader)
  }

  /** What came to the table since the last call. */
  takeTable(): PackedTable {
    const from = this.#told
    this.#told = [this.#shapes.length, this.#texts.length]
    return this.tableFrom(from)
  }

  /** What is in the table beyond so many names of fields and texts. */
  tableFrom(from: PackedTable['from']): PackedTable {
    const shapes = this.#shapes.slice(from[0]).map(({ keys }) => keys)
    return { from, shapes, texts: this.#texts.slice(from[1]) }
  }

  /** Takes over a part of another table, of which it has the beginning. */
  applyTable({ from, shapes, texts }: PackedTable): void {
    const [shapesFrom, textsFrom] = from
    if (shapesFrom > this.#shapes.length || textsFrom > this.#texts.length)
      throw new Error('The state lacks names with which its records were packed.')
    for (const keys of shapes.slice(this.#shapes.length - shapesFrom)) this.#addShape(keys)
    for (const text of texts.slice(this.#texts.length - textsFrom)) this.#addText(text)
    this.#told = [this.#shapes.length, this.#texts.length]
  }

  #write(value: unknown, shape: Shape | undefined, at: number): void {
    switch (typeof value) {
      case 'undefined':
        this.#out.byte(tag.undefined)
        break
      case 'boolean':
        this.#out.byte(value ? tag.true : tag.false)
        break
      case 'number':
        this.#writeNumber(value)
        break
      case 'bigint':
        this.#out.byte(tag.big)
        this.#out.big(value)
        break
      case 'string':
        this.#writeText(value, shape, at)
        break
      case 'object':
        if (value === null) this.#out.byte(tag.null)
        else this.#writeObject(value)
        break
      default:
        throw new Error(`a record cannot hold a ${typeof value}`)
    }
  }

  #writeNumber(value: number): void {
    const out = this.#out
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      out.byte(tag.double)
      out.double(value)
      return
    }
    out.byte(value < 0 ? tag.negative : tag.whole)
    out.whole(Math.abs(value))
  }

  #writeText(value: string, shape: Shape | undefined, at: number): void {
    const before = this.#before.get(value)
    if (before !== undefined) {
      this.#writeNumbered(tag.textBefore, before)
      return
    }
    const shared = this.#textNumbers.get(value) ?? this.#shareIfAgain(value, shape, at)
    if (shared !== undefined) {
      this.#writeNumbered(tag.sharedText, shared)
      return
    }
    if (value.startsWith('{') && value.length <= longestJson && this.#writeJson(value)) return
    this.#before.set(value, this.#before.size)
    this.#writeNewText(value)
  }

  #writeNumbered(kind: number, number: number): void {
    this.#out.byte(kind)
    this.#out.whole(number)
  }

  #writeNewText(value: string): void {
    const out = this.#out
    const prefix = idPrefix.exec(value)?.[0] ?? ''
    const rest = value.slice(prefix.length)
    if (!hexText.test(rest)) {
      out.byte(tag.text)
      out.text(value)
      return
    }
    out.byte(tag.hex)
    out.text(prefix)
    out.whole(rest.length / 2)
    out.hex(rest)
  }

  /** A text that a record shortly before had at the same place is likely to come again. */
  #shareIfAgain(value: string, shape: Shape | undefined, at: number): number | undefined {
    if (shape === undefined || value.length > longestShared) return undefined
    let lately = shape.lately[at]
    if (lately === undefined) {
      lately = []
      shape.lately[at] = lately
    }
    if (lately.includes(value)) return this.#texts.length < mostShared ? this.#addText(value) : undefined
    if (lately.length === textsLately) lately.shift()
    lately.push(value)
    return undefined
  }

  #writeJson(text: string): boolean {
    const value = parsedIfPlain(text)
    if (value === undefined) return false
    this.#out.byte(tag.json)
    this.#write(value, undefined, 0)
    return true
  }

  #writeObject(value: object): void {
    const out = this.#out
    if (Array.isArray(value)) {
      out.byte(tag.array)
      out.whole(value.length)
      for (const one of value as unknown[]) this.#write(one, undefined, 0)
      return
    }
    if (value instanceof Map) {
      out.byte(tag.map)
      out.whole(value.size)
      for (const [key, one] of value as Map<unknown, unknown>) {
        this.#write(key, undefined, 0)
        this.#write(one, undefined, 0)
      }
      return
    }
    const keys = Object.keys(value)
    const fields = value as Record<string, unknown>
    const shape = this.#shapeFor(keys)
    out.byte(shape === undefined ? tag.otherObject : tag.object)
    out.whole(shape === undefined ? keys.length : shape.number)
    if (shape === undefined) for (const key of keys) out.text(key)
    for (let at = 0; at < keys.length; at += 1) this.#write(fields[keys[at]!], shape, at)
  }

  #shapeFor(keys: readonly string[]): Shape | undefined {
    const name = JSON.stringify(keys)
    const known = this.#shapeOf.get(name)
    if (known !== undefined) return known
    if (this.#shapes.length >= mostShared || name.length > longestShared * 4) return undefined
    return this.#addShape(keys)
  }

  #addShape(keys: readonly string[]): Shape {
    const shape = { number: this.#shapes.length, keys, lately: [] }
    this.#shapes.push(shape)
    this.#shapeOf.set(JSON.stringify(keys), shape)
    return shape
  }

  #addText(text: string): number {
    const number = this.#texts.length
    this.#texts.push(text)
    this.#textNumbers.set(text, number)
    return number
  }

  #value(from: ByteReader): unknown {
    const kind = from.byte()
    switch (kind) {
      case tag.undefined:
        return undefined
      case tag.null:
        return null
      case tag.false:
        return false
      case tag.true:
        return true
      case tag.whole:
        return from.whole()
      case tag.negative:
        return -from.whole()
      case tag.double:
        return from.double()
      case tag.big:
        return from.big()
      case tag.text:
        return this.#textRead(from.text())
      case tag.textBefore:
        return known(this.#read, from.whole())
      case tag.sharedText:
        return known(this.#texts, from.whole())
      case tag.hex:
        return this.#textRead(from.text() + from.hex(from.whole()))
      case tag.json:
        return JSON.stringify(this.#value(from))
      default:
        return this.#compound(kind, from)
    }
  }

  #compound(kind: number, from: ByteReader): unknown {
    switch (kind) {
      case tag.array: {
        const values: unknown[] = []
        for (let left = from.whole(); left > 0; left -= 1) values.push(this.#value(from))
        return values
      }
      case tag.map: {
        const entries = new Map<unknown, unknown>()
        for (let left = from.whole(); left > 0; left -= 1) entries.set(this.#value(from), this.#value(from))
        return entries
      }
      case tag.object:
        return this.#objectOf(known(this.#shapes, from.whole()).keys, from)
      case tag.otherObject:
        return this.#objectOf(
          Array.from({ length: from.whole() }, () => from.text()),
          from,
        )
      default:
        throw new Error(`The state is damaged: there is no value of kind ${kind}.`)
    }
  }

  #objectOf(keys: readonly string[], from: ByteReader): object {
    const fields: Record<string, unknown> = {}
    for (const key of keys) fields[key] = this.#value(from)
    return fields
  }

  #textRead(text: string): string {
    this.#read.push(text)
    return text
  }
}

function known<T>(list: readonly T[], at: number): T {
  const one = list[at]
  if (one === undefined) throw new Error(`The state is damaged: there is no text ${at}.`)
  return one
}

/** The value of JSON text that is written as we write it; undefined for any other. */
function parsedIfPlain(text: string): object | undefined {
  // No object would have such a field, and an escape may name half a character.
  if (text.includes('__proto__') || text.includes('\\u')) return undefined
  try {
    const value = JSON.parse(text) as object
    return JSON.stringify(value) === text ? value : undefined
  } catch {
    return undefined
  }
}
