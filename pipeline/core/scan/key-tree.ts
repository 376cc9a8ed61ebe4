// The keys met so far, by their path: one node per path of keys below the event, with the key's hash, its
// role and the slot that wants its value. Events of one kind have the same keys in the same order, so each
// node remembers which key came next last time: comparing a few words then replaces hashing the key.
// Invariants: a node stands for exactly one path, so its stamp shows when a key comes twice in one object.
// The tree is bounded and is emptied only between events. A look-up takes at most `maxProbes` probes,
// whatever the keys. A key that JSON must escape is never guessed, because its bytes in the message differ
// from its text.
// A node is an offset into `nodes` and takes 64 bytes, one cache line. Node 0 is the event itself and also
// means "none".

import { stampedTimeName } from '../../../schemas/event/stamped-time.js'
import { tailMask } from '../../../schemas/word-hash.js'
import { layoutOfData, type ScanLayout } from './layout.js'

/** What a member of the event means to Weir. */
export const roles = {
  other: 0,
  id: 1,
  source: 2,
  type: 3,
  subject: 4,
  correlationid: 5,
  traceparent: 6,
  subscriptionid: 7,
  time: 8,
  data: 9,
  specversion: 10,
  datacontenttype: 11,
  /** A member whose mere presence makes the event not plain. */
  unusual: 12,
  stampedtime: 13,
} as const

const roleOfName: ReadonlyMap<string, number> = new Map([
  ['id', roles.id],
  ['source', roles.source],
  ['type', roles.type],
  ['subject', roles.subject],
  ['correlationid', roles.correlationid],
  ['traceparent', roles.traceparent],
  ['time', roles.time],
  ['data', roles.data],
  ['specversion', roles.specversion],
  ['datacontenttype', roles.datacontenttype],
  ['subscriptionid', roles.subscriptionid],
  ['data_base64', roles.unusual],
  [stampedTimeName, roles.stampedtime],
])

/** Offsets of a node's fields. */
export const field = {
  parent: 0,
  hashFirst: 1,
  hashSecond: 2,
  /**
   * Where the key's words stand in `keyWords`: first, last, and which bits of the last count. Includes quotes
   * and colon.
   */
  wordFrom: 3,
  wordLast: 4,
  lastMask: 5,
  /** Length in bytes, with the quotes and the colon. */
  length: 6,
  /** Last time: the first key within this key's object, and the key that followed this one. */
  firstChild: 7,
  next: 8,
  /** The node that stands for all elements of the array at this path. */
  elements: 9,
  /** The stamp of the object that had this key last. */
  stamp: 10,
  role: 11,
  slot: 12,
  layout: 13,
} as const

// An exported or imported binding is looked up at every use; a constant private to this module is compiled
// in.
const { wordFrom, wordLast, lastMask, length: keyLength, parent: parentField } = field

const quote = 34
const colon = 58
const backslash = 92
const nodeSize = 16
const maxNodes = 4096
const tableSize = maxNodes * 2
const maxProbes = 32
/** A key of more bytes is not plain. */
export const maxKeyBytes = 256

export class KeyTree {
  readonly nodes = new Int32Array(maxNodes * nodeSize)
  keyWords = new Int32Array(1024)
  readonly #layout: ScanLayout
  readonly #table = new Int32Array(tableSize)
  #nodesUntil = 0
  #wordsUntil = 0
  #objects = 0

  constructor(layout: ScanLayout) {
    this.#layout = layout
    this.#empty()
  }

  /** Called between events. Forgets all keys when the tree is nearly full. */
  makeRoom(): void {
    if (this.#nodesUntil > this.nodes.length / 2 || this.#objects > 0x3fff_ffff) this.#empty()
  }

  /** A number that no earlier object had: the stamp of this object's keys. */
  newObject(): number {
    this.#objects += 1
    return this.#objects
  }

  /** Whether the bytes at `at` begin with the node's key, its quotes and a colon. Always false for node 0. */
  matches(node: number, view: DataView, at: number): boolean {
    const { nodes, keyWords } = this
    const last = nodes[node + wordLast]!
    let place = at
    for (let word = nodes[node + wordFrom]!; word < last; word += 1) {
      if (keyWords[word] !== view.getInt32(place, true)) return false
      place += 4
    }
    return (view.getInt32(place, true) & nodes[node + lastMask]!) === keyWords[last]
  }

  /** The node of a key `[from, until)` with these hash words; 0 when the tree is full. */
  find(parent: number, first: number, second: number, view: DataView, from: number, until: number): number {
    const { nodes } = this
    let at = (first ^ Math.imul(parent, 0x9e3779b1)) & (tableSize - 1)
    for (let probe = 0; probe < maxProbes; probe += 1) {
      const node = this.#table[at]!
      if (node === 0) return this.#add(at, parent, first, second, view, from, until)
      if (
        nodes[node + parentField] === parent &&
        nodes[node + field.hashFirst] === first &&
        nodes[node + field.hashSecond] === second &&
        this.#isKey(node, view, from, until)
      ) {
        return node
      }
      at = (at + 1) & (tableSize - 1)
    }
    return 0
  }

  /** The node of the elements of an array; 0 when the tree is full. */
  elementsOf(parent: number): number {
    const known = this.nodes[parent + field.elements]!
    if (known !== 0) return known
    const node = this.#newNode(parent)
    this.nodes[parent + field.elements] = node
    return node
  }

  #add(
    place: number,
    parent: number,
    first: number,
    second: number,
    view: DataView,
    from: number,
    until: number,
  ): number {
    const node = this.#newNode(parent)
    if (node === 0) return 0
    const { nodes } = this
    const key = Buffer.from(view.buffer, view.byteOffset + from, until - from).toString('utf8')
    const role = parent === 0 ? (roleOfName.get(key) ?? roles.other) : roles.other
    const layout = role === roles.data ? layoutOfData : this.#layout.child(nodes[parent + field.layout]!, key)
    nodes[node + field.hashFirst] = first
    nodes[node + field.hashSecond] = second
    nodes[node + field.role] = role
    nodes[node + field.layout] = layout
    nodes[node + field.slot] = this.#layout.slotAt(layout)
    this.#keepKey(node, view, from, until)
    this.#table[place] = node
    return node
  }

  /** Stores `"key":`, the form in which the key is compared with the message. */
  #keepKey(node: number, view: DataView, from: number, until: number): void {
    const length = until - from + 3
    const count = (length + 3) >> 2
    if (this.#wordsUntil + count > this.keyWords.length) {
      const larger = new Int32Array(this.keyWords.length * 2)
      larger.set(this.keyWords)
      this.keyWords = larger
    }
    const words = this.keyWords.subarray(this.#wordsUntil, this.#wordsUntil + count).fill(0)
    const bytes = new Uint8Array(words.buffer, words.byteOffset, length)
    bytes.set(new Uint8Array(view.buffer, view.byteOffset + from, until - from), 1)
    bytes[0] = quote
    bytes[length - 2] = quote
    bytes[length - 1] = colon
    this.nodes[node + wordFrom] = this.#wordsUntil
    this.nodes[node + wordLast] = this.#wordsUntil + count - 1
    const isGuessed = bytes
      .subarray(1, length - 2)
      .every(byte => byte >= 32 && byte !== quote && byte !== backslash)
    this.nodes[node + lastMask] = isGuessed ? ((length & 3) === 0 ? -1 : tailMask(length & 3)) : 0
    this.nodes[node + keyLength] = length
    this.#wordsUntil += count
  }

  #isKey(node: number, view: DataView, from: number, until: number): boolean {
    if (this.nodes[node + keyLength] !== until - from + 3) return false
    const kept = new Uint8Array(this.keyWords.buffer, this.nodes[node + wordFrom]! * 4 + 1, until - from)
    for (let i = 0; i < kept.length; i += 1) if (kept[i] !== view.getUint8(from + i)) return false
    return true
  }

  #newNode(parent: number): number {
    const node = this.#nodesUntil
    if (node === this.nodes.length) return 0
    this.#nodesUntil += nodeSize
    this.nodes.fill(0, node, node + nodeSize)
    this.nodes[node + parentField] = parent
    this.nodes[node + field.slot] = -1
    return node
  }

  #empty(): void {
    this.#nodesUntil = 0
    this.#wordsUntil = 0
    this.#objects = 0
    this.#table.fill(0)
    this.#newNode(0)
    // These bits are never set, so that "none" matches nothing.
    this.keyWords[0] = 1
    this.#wordsUntil = 1
  }
}
