// Walks JSON values byte by byte: checks the grammar, hashes what it passes as schemas/event/event-hash.ts
// does, and notes where the values stand that the layout asks for.
// Invariants: a value that is walked to its end is JSON that parseJson of schemas/json/json-text.ts reads as
// the same values; it has no duplicate key, no lone surrogate and no nesting deeper than `maxPlainDepth`.
// Anything else ends the walk with false, which says nothing about the bytes. A text with escapes is hashed
// and noted unescaped.
// The tricks: texts are read four bytes at a time, and one expression finds a quote, a backslash or a control
// character among them; keys are guessed (key-tree.ts); zeros mark the end of the bytes (message-bytes.ts),
// so no loop compares a length.

import * as eventHash from '../../../schemas/event/event-hash.js'
import { numberOf } from '../../../schemas/money/exact-number.js'
import * as wordHash from '../../../schemas/word-hash.js'
import { field, type KeyTree, maxKeyBytes as keyBytes } from './key-tree.js'
import type { ScanLayout } from './layout.js'
import { MessageBytes } from './message-bytes.js'
import { type Columns, valueKinds } from './scanned-events.js'

/**
 * The deepest nesting of objects and arrays, counting `data` as the first. Far below maxDepth, which is
 * refused.
 */
export const maxPlainDepth = 16

/** What `member` returns at the end of an object. */
export const noMember = -1

// An imported binding is looked up at every use; a constant of this module is compiled in.
const { hashExactNumber, hashNumber } = eventHash
const { finish, hashSpan, lanes, mixWord, tailMask, turn } = wordHash
const seedOf = wordHash.seeds
const {
  stamp,
  length: keyLength,
  slot: slotField,
  hashFirst,
  hashSecond,
  firstChild,
  next: nextField,
} = field
const maxKeyBytes = keyBytes
const kinds = valueKinds

const quote = 34
const comma = 44
const point = 46
const colon = 58
const openArray = 91
const backslash = 92
const closeArray = 93
const letterF = 102
const letterN = 110
const letterT = 116
const openObject = 123
const closeObject = 125

// Four letters as one word.
const wordTrue = 0x65757274
const wordNull = 0x6c6c756e
const wordAlse = 0x65736c61
const highBits = 0x80808080 | 0

/** Every power here is exact, so dividing a whole number of up to 15 digits by one rounds only once. */
const powersOfTen = Float64Array.from({ length: 16 }, (_, exponent) => 10 ** exponent)
const maxExactDigits = 15

export class JsonWalk extends MessageBytes {
  readonly tree: KeyTree
  /** The line feed where it counts as white space; -1 where it ends the event. */
  lineFeed = 10
  readonly #nextSlot: Int32Array

  constructor(tree: KeyTree, layout: ScanLayout, columns: Columns) {
    super(columns)
    this.tree = tree
    this.#nextSlot = layout.nextSlot
  }

  /** Passes white space; returns the byte after it. */
  space(): number {
    const { bytes, lineFeed } = this
    let { at } = this
    let byte = bytes[at]!
    while (byte === 32 || byte === lineFeed || byte === 9 || byte === 13) {
      at += 1
      byte = bytes[at]!
    }
    this.at = at
    return byte
  }

  /** Passes a text from behind its opening quote. Its hash, seeded with the two words, is then in `lanes`. */
  text(first: number, second: number): boolean {
    const { view, at: from } = this
    let a = first | 0
    let b = second | 0
    let at = from
    for (;;) {
      const word = view.getInt32(at, true)
      const end = mayEnd(word) === 0 ? 0 : ends(word)
      if (end === 0) {
        const next = turn(a ^ mixWord(word), b)
        a = b
        b = next
        at += 4
        continue
      }
      const count = (31 - Math.clz32(end & -end)) >>> 3
      const byte = (word >>> (count << 3)) & 0xff
      if (byte !== quote) return byte === backslash && this.#escapedTextHashed(first, second)
      if (count !== 0) {
        const next = turn(a ^ mixWord(word & tailMask(count)), b)
        a = b
        b = next
        at += count
      }
      finish(a, b, at - from)
      this.textFrom = from
      this.textUntil = at
      this.at = at + 1
      return true
    }
  }

  #escapedTextHashed(first: number, second: number): boolean {
    if (!this.escapedText()) return false
    hashSpan(this.view, this.textFrom, this.textUntil, first, second)
    return true
  }

  /** Passes a text from behind its opening quote, without hashing it. */
  skipText(): boolean {
    const { view, at: from } = this
    let at = from
    for (;;) {
      const word = view.getInt32(at, true)
      const end = mayEnd(word) === 0 ? 0 : ends(word)
      if (end !== 0) {
        const count = (31 - Math.clz32(end & -end)) >>> 3
        const byte = (word >>> (count << 3)) & 0xff
        if (byte !== quote) return byte === backslash && this.escapedText()
        this.textFrom = from
        this.textUntil = at + count
        this.at = at + count + 1
        return true
      }
      at += 4
    }
  }

  /**
   * Moves to the next value of an object, from behind a value or from before the opening brace. Passes
   * `before` (a comma or the brace), the key and its colon. `link` is the node field that names the key found
   * here last time. Returns the key's node; `noMember` at the end of the object, which is passed; 0 when the
   * object is not plain.
   */
  member(parent: number, link: number, object: number, before: number): number {
    const { tree, bytes, at } = this
    const { nodes } = tree
    const node = nodes[link]!
    if (bytes[at] === before && tree.matches(node, this.view, at + 1) && nodes[node + stamp] !== object) {
      nodes[node + stamp] = object
      this.at = at + 1 + nodes[node + keyLength]!
      return node
    }
    if (bytes[at] === closeObject && before === comma) {
      this.at = at + 1
      return noMember
    }
    return this.#otherMember(parent, link, object, before)
  }

  /** Handles a member whose key is not the one found here last time, or that has white space around it. */
  #otherMember(parent: number, link: number, object: number, before: number): number {
    const { tree } = this
    const { nodes } = tree
    let byte = this.space()
    if (byte === before) {
      this.at += 1
      byte = this.space()
      if (byte === quote) {
        const node = this.#key(parent)
        if (node === 0 || nodes[node + stamp] === object || this.space() !== colon) return 0
        this.at += 1
        nodes[node + stamp] = object
        nodes[link] = node
        return node
      }
      // A key must follow a comma.
      if (before === comma) return 0
    }
    if (byte !== closeObject) return 0
    this.at += 1
    return noMember
  }

  /** Passes the key whose opening quote is here. Returns its node, or 0 when the tree is full. */
  #key(parent: number): number {
    this.at += 1
    if (!this.text(seedOf.key, 0)) return 0
    const { textFrom, textUntil } = this
    if (textUntil - textFrom > maxKeyBytes) return 0
    return this.tree.find(parent, lanes[0]!, lanes[1]!, this.view, textFrom, textUntil)
  }

  /**
   * Passes a value. Its hash, seeded with the two words, is then in `lanes`. `depth` is the depth of its
   * container.
   */
  value(node: number, first: number, second: number, depth: number): boolean {
    switch (this.bytes[this.at]) {
      case quote:
        this.at += 1
        return this.text(first ^ seedOf.text, second)
      case openObject:
        return depth < maxPlainDepth && this.object(node, first, second, depth + 1)
      case openArray:
        return depth < maxPlainDepth && this.#array(node, first, second, depth + 1)
      case letterT:
        if (this.view.getInt32(this.at, true) !== wordTrue) return false
        return this.#literal(4, first ^ seedOf.true, second)
      case letterF:
        if (this.view.getInt32(this.at + 1, true) !== wordAlse) return false
        return this.#literal(5, first ^ seedOf.false, second)
      case letterN:
        if (this.view.getInt32(this.at, true) !== wordNull) return false
        return this.#literal(4, first ^ seedOf.null, second)
      default:
        return this.#number(first, second)
    }
  }

  /** Passes an object and notes its values in the slots of the current event. Its hash is then in `lanes`. */
  object(parent: number, first: number, second: number, depth: number): boolean {
    const { tree, bytes } = this
    const { nodes } = tree
    const object = tree.newObject()
    let a = 0
    let b = 0
    let count = 0
    let node = this.member(parent, parent + firstChild, object, openObject)
    while (node > 0) {
      if (bytes[this.at]! <= 32) this.space()
      const from = this.at
      if (bytes[from] === quote) {
        this.at = from + 1
        if (!this.text(nodes[node + hashFirst]! ^ seedOf.text, nodes[node + hashSecond]!)) return false
      } else if (!this.value(node, nodes[node + hashFirst]!, nodes[node + hashSecond]!, depth)) {
        return false
      }
      a = (a + lanes[0]!) | 0
      b = (b + lanes[1]!) | 0
      count += 1
      const slot = nodes[node + slotField]!
      if (slot !== -1) this.note(slot, from)
      node = this.member(parent, node + nextField, object, comma)
    }
    if (node === 0) return false
    const third = turn(first ^ seedOf.object ^ mixWord(a), second)
    finish(third, turn(second ^ mixWord(b), third), count)
    return true
  }

  /** Notes the value `[from, at)` in every slot of a chain. */
  note(slot: number, from: number): void {
    const { valueKind, valueFrom, valueUntil, count, slots } = this.columns
    const kind = kindOf(this.bytes[from]!)
    const isText = kind === kinds.text
    for (let next = slot; next !== -1; next = this.#nextSlot[next]!) {
      const place = count * slots + next
      valueKind[place] = kind
      valueFrom[place] = isText ? this.textFrom : from
      valueUntil[place] = isText ? this.textUntil : this.at
    }
  }

  #array(parent: number, first: number, second: number, depth: number): boolean {
    let a = first ^ seedOf.array
    let b = second | 0
    let count = 0
    this.at += 1
    let byte = this.space()
    if (byte !== closeArray) {
      const node = this.tree.elementsOf(parent)
      if (node === 0) return false
      for (;;) {
        if (!this.value(node, a, b, depth)) return false
        a = lanes[0]!
        b = lanes[1]!
        count += 1
        byte = this.space()
        if (byte !== comma) break
        this.at += 1
        this.space()
      }
      if (byte !== closeArray) return false
    }
    this.at += 1
    finish(a, b, count)
    return true
  }

  #literal(length: number, first: number, second: number): boolean {
    this.at += length
    finish(first, second, 0)
    return true
  }

  #number(first: number, second: number): boolean {
    const { bytes, at: from } = this
    const whole = bytes[from] === 45 ? from + 1 : from
    let at = whole
    let value = 0
    let digit = bytes[at]! - 48
    for (; digit >= 0 && digit <= 9; digit = bytes[at]! - 48) {
      value = value * 10 + digit
      at += 1
    }
    let digits = at - whole
    if (digits === 0 || (digits > 1 && bytes[whole] === 48)) return false
    if (bytes[at] === point) {
      at += 1
      const fraction = at
      digit = bytes[at]! - 48
      for (; digit >= 0 && digit <= 9; digit = bytes[at]! - 48) {
        value = value * 10 + digit
        at += 1
      }
      if (at === fraction) return false
      digits += at - fraction
      if (digits <= maxExactDigits) value /= powersOfTen[at - fraction]!
    }
    this.at = at
    if (digits > maxExactDigits || (bytes[at]! | 32) === 101) return this.#longNumber(from, first, second)
    hashNumber(whole === from ? value : -value, first, second)
    return true
  }

  /**
   * A number with an exponent (which is `at`), or with more digits than exact arithmetic in a double allows.
   */
  #longNumber(from: number, first: number, second: number): boolean {
    const { bytes } = this
    let { at } = this
    if ((bytes[at]! | 32) === 101) {
      at += 1
      if (bytes[at] === 43 || bytes[at] === 45) at += 1
      const exponent = at
      while (bytes[at]! >= 48 && bytes[at]! <= 57) at += 1
      if (at === exponent) return false
    }
    const value = numberOf(Buffer.from(bytes.buffer, from, at - from).toString('latin1'))
    this.at = at
    if (typeof value === 'number') hashNumber(value, first, second)
    else hashExactNumber(value, first, second)
    return true
  }
}

/**
 * 0 when none of the word's four bytes is a quote, a backslash or a control character. Otherwise one may be.
 */
function mayEnd(word: number): number {
  const escapes = word ^ 0x5c5c5c5c
  return (((word - 0x23232323) & ~word) | ((escapes - 0x01010101) & ~escapes)) & highBits
}

/** The lowest bit set is the high bit of the first byte that is a quote, a backslash or a control character. */
function ends(word: number): number {
  const quotes = word ^ 0x22222222
  const escapes = word ^ 0x5c5c5c5c
  return (
    (((quotes - 0x01010101) & ~quotes) |
      ((escapes - 0x01010101) & ~escapes) |
      ((word - 0x20202020) & ~word)) &
    highBits
  )
}

/** The kind of a value, judged by its first byte. */
function kindOf(byte: number): number {
  if (byte === quote) return kinds.text
  if (byte === openObject || byte === openArray || byte === letterN) return kinds.other
  if (byte === letterT) return kinds.true
  return byte === letterF ? kinds.false : kinds.number
}
