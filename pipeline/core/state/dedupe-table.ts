// Which events have been seen: 128 bits of the identity, 56 bits of the content, the day of arrival.
// Owns what a key means, when it ends, and what is stored of it; memory and look-up are the shards' (dedupe-shard.ts),
// and what an event's identity and content are is decided by schemas/event/event-hash.ts.
// Invariants:
// 1. Exact on the 128 bits; a key is known for `keepDays` after the day it arrived and unknown afterwards, swept or not, so
//    a restored table answers like the one that was stored. A key of the day `forever` stays known: its event has no `time`
//    of its own, so nothing else would show that it is old.
// 2. The segments taken so far and the entries since, applied in their order, make this table. A segment whose newest day
//    is before `keptFromDay` may be left out, but for its keys of the day `forever`. Days of segments never go down.
//
// 56 bits of the content suffice: it is compared with one other event of the same identity, never with all.
// A key costs 24 bytes; a shard that is four fifths full grows by two fifths: 36 bytes on the average of all shards.
// Growth moves one of 256 shards at a time, and they take turns, so no event and no batch waits for the whole table.

import {
  bytesOf,
  countKept,
  type DedupeShard,
  dayAt,
  emptyShard,
  find,
  hasContent,
  isFull,
  letGo,
  move,
  put,
  secondContentWord,
  touch,
} from './dedupe-shard.js'
import { EntryBlocks } from './entry-blocks.js'

const shardBits = 8
const shardCount = 1 << shardBits
// An entry as it is stored, 26 bytes, little-endian; the last eight bits of the content are 0:
//
//   byte  0                     16              24      26
//        ┌─────────────────────┬───────────────┬───────┐
//        │ identity, 4 words   │ content, 2    │ day   │
//        └─────────────────────┴───────────────┴───────┘
const entryWords = 6
export const entryBytes = entryWords * 4 + 2
/** The day of a key that is kept for ever; real days end before it. */
export const forever = 0xffff
/** Slots looked at by one call of `sweep`, give or take a shard. */
const sweptSlots = 400_000
const noContent = new Uint32Array(2)

export type Sighting = 'new' | 'duplicate' | 'conflicting'

/** The entries of keys that were added or forgotten since the last segment. */
export interface DedupeSegment {
  /** To be read as one run of bytes: an entry may begin in one piece and end in the next. */
  readonly pieces: readonly Uint8Array[]
  /** No entry of this segment or of one before it has a later day, but for those kept for ever. */
  readonly newestDay: number
  /** Some entries are kept for ever. */
  readonly forever: boolean
  /** Keys of days before this are known no more. */
  readonly keptFromDay: number
}

export class DedupeTable {
  readonly #keepDays: number
  readonly #shards: DedupeShard[] = Array.from({ length: shardCount }, (_, i) => emptyShard(i / shardCount))
  /** Undefined when nobody asks for segments. */
  readonly #sinceSegment: EntryBlocks | undefined
  #newestDay = 0
  #foreverSinceSegment = false
  #log: Uint8Array = new Uint8Array(entryBytes * 64)
  #logged = 0
  #swept = { shard: 0, day: 0 }

  /** `keepDays` may be Infinity. `segments`: `takeSegment` will be called. */
  constructor(keepDays: number, options: { readonly segments?: boolean } = {}) {
    this.#keepDays = keepDays
    this.#sinceSegment = options.segments === true ? new EntryBlocks() : undefined
  }

  /** Slots in use, keys past their time included until they are swept. */
  get size(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.used, 0)
  }

  get bytes(): number {
    return this.#shards.reduce((sum, shard) => sum + bytesOf(shard), 0)
  }

  get changed(): boolean {
    return this.#logged > 0
  }

  /**
   * Looks the identity up as of a day, and remembers it when it is new: from that day on, or for ever. Both hashes are read
   * from their first words.
   */
  see(identity: Uint32Array, content: Uint32Array, day: number, isForever = false): Sighting {
    const shard = this.#shards[identity[0]! >>> (32 - shardBits)]!
    const at = find(shard, identity)
    const known = dayAt(shard, at)
    if (known > letGo && known + this.#keepDays >= day) {
      return hasContent(shard, at, content) ? 'duplicate' : 'conflicting'
    }
    const kept = isForever ? forever : day
    this.#store(shard, at, identity, content, kept)
    this.#note(identity, content, kept)
    if (isForever) this.#foreverSinceSegment = true
    return 'new'
  }

  /** Prefetches the slots of `count` identities, four words each, by reading from them. */
  prefetch(identities: Uint32Array, count: number): number {
    let sum = 0
    for (let i = 0; i < count; i += 1) {
      const shard = this.#shards[identities[i * 4]! >>> (32 - shardBits)]!
      sum += touch(shard, identities[i * 4 + 1]!)
    }
    return sum
  }

  /** The 56 bits of content that are kept for an identity, as 14 hexadecimal digits; '' when it is unknown. */
  contentOf(identity: Uint32Array): string {
    const shard = this.#shards[identity[0]! >>> (32 - shardBits)]!
    const at = find(shard, identity)
    if (dayAt(shard, at) <= letGo) return ''
    return hex(shard.words[at + 4]! >>> 0) + hex(secondContentWord(shard, at)).slice(0, 6)
  }

  /** Forgets an identity, so that the same event can be taken again. */
  forget(identity: Uint32Array): void {
    const shard = this.#shards[identity[0]! >>> (32 - shardBits)]!
    const at = find(shard, identity)
    if (dayAt(shard, at) <= letGo) return
    put(shard, at, identity, noContent, letGo)
    this.#note(identity, noContent, letGo)
  }

  /** Removes keys whose time is over from a few shards, each shard once a day; called once per step. */
  sweep(day: number): void {
    if (!Number.isFinite(this.#keepDays)) return
    if (this.#swept.shard === shardCount) {
      if (day <= this.#swept.day) return
      this.#swept = { shard: 0, day }
    }
    const oldest = day - this.#keepDays
    for (let slots = 0; slots < sweptSlots && this.#swept.shard < shardCount; this.#swept.shard += 1) {
      const shard = this.#shards[this.#swept.shard]!
      slots += shard.capacity
      const kept = countKept(shard, oldest)
      if (kept < shard.used) move(shard, oldest, kept)
    }
  }

  /** The entries of keys that were added or forgotten since the last call, 26 bytes each. */
  takeDelta(): Uint8Array {
    const taken = this.#log.slice(0, this.#logged)
    this.#logged = 0
    this.#sinceSegment?.add(taken)
    return taken
  }

  /** What changed since the last segment; call it after `takeDelta`, with nothing seen in between. */
  takeSegment(): DedupeSegment {
    if (this.#sinceSegment === undefined || this.#logged > 0) {
      throw new Error('A segment is taken behind a delta, of a table that was made for it.')
    }
    const pieces = this.#sinceSegment.take()
    const hasForever = this.#foreverSinceSegment
    this.#foreverSinceSegment = false
    const keptFromDay = this.#newestDay - this.#keepDays
    return { pieces, newestDay: this.#newestDay, forever: hasForever, keptFromDay }
  }

  /** Everything, in the form of a delta. */
  dump(): Uint8Array {
    const out = new Uint8Array(this.size * entryBytes)
    const entry = new Uint32Array(entryWords)
    let length = 0
    for (const [index, shard] of this.#shards.entries()) {
      const { words } = shard
      for (let at = 0; at < words.length; at += entryWords) {
        if (dayAt(shard, at) <= letGo) continue
        for (let i = 1; i < 5; i += 1) entry[i] = words[at + i]!
        entry[0] = (index << (32 - shardBits)) | (words[at]! & 0xff_ffff)
        entry[5] = secondContentWord(shard, at)
        writeEntry(out, length, entry, entry.subarray(4), dayAt(shard, at))
        length += entryBytes
      }
    }
    return out.slice(0, length)
  }

  /** Takes over a delta or a dump, which the next segment holds too; it does not count as a change. */
  apply(entries: Uint8Array): void {
    this.#sinceSegment?.add(entries)
    this.load(entries)
    if (this.#sinceSegment !== undefined && holdsForever(entries)) this.#foreverSinceSegment = true
  }

  /** Before segments of so many bytes are loaded into an empty table. */
  reserve(bytes: number): void {
    const keys = Math.ceil(bytes / entryBytes / shardCount)
    for (const [index, { phase, used }] of this.#shards.entries()) {
      if (used === 0) this.#shards[index] = emptyShard(phase, keys)
    }
  }

  /** Takes over the entries of a segment. */
  load(entries: Uint8Array): void {
    if (entries.length % entryBytes !== 0) throw new Error('A segment of the dedupe table is cut short.')
    const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength)
    const identity = new Uint32Array(4)
    const content = new Uint32Array(2)
    for (let at = 0; at < entries.length; at += entryBytes) {
      for (let word = 0; word < 4; word += 1) identity[word] = view.getUint32(at + word * 4, true)
      content[0] = view.getUint32(at + 16, true)
      content[1] = view.getUint32(at + 20, true)
      const shard = this.#shards[identity[0]! >>> (32 - shardBits)]!
      this.#store(shard, find(shard, identity), identity, content, view.getUint16(at + 24, true))
    }
  }

  #store(shard: DedupeShard, at: number, identity: Uint32Array, content: Uint32Array, day: number): void {
    if (day > this.#newestDay && day !== forever) this.#newestDay = day
    if (isFull(shard) && dayAt(shard, at) === 0) {
      move(shard, 0, countKept(shard, 0))
      at = find(shard, identity)
    }
    put(shard, at, identity, content, day)
  }

  #note(identity: Uint32Array, content: Uint32Array, day: number): void {
    if (this.#logged + entryBytes > this.#log.length) {
      const larger = new Uint8Array(this.#log.length * 2)
      larger.set(this.#log)
      this.#log = larger
    }
    writeEntry(this.#log, this.#logged, identity, content, day)
    this.#logged += entryBytes
  }
}

/** The entries of a segment that count when its days are over: keys kept for ever and keys forgotten, in their order. */
export function foreverEntries(entries: Uint8Array): Uint8Array {
  const out = new Uint8Array(entries.length)
  let length = 0
  for (let at = 0; at < entries.length; at += entryBytes) {
    const day = entryDay(entries, at)
    if (day !== forever && day !== letGo) continue
    out.set(entries.subarray(at, at + entryBytes), length)
    length += entryBytes
  }
  return out.slice(0, length)
}

function holdsForever(entries: Uint8Array): boolean {
  for (let at = 0; at < entries.length; at += entryBytes) if (entryDay(entries, at) === forever) return true
  return false
}

function entryDay(entries: Uint8Array, at: number): number {
  return entries[at + 24]! | (entries[at + 25]! << 8)
}

function writeEntry(
  out: Uint8Array,
  at: number,
  identity: Uint32Array,
  content: Uint32Array,
  day: number,
): void {
  for (let word = 0; word < 4; word += 1) writeWord(out, at + word * 4, identity[word]!)
  writeWord(out, at + 16, content[0]!)
  writeWord(out, at + 20, content[1]! & ~0xff) // what a restored table knows, and no more
  out[at + 24] = day
  out[at + 25] = day >>> 8
}

function writeWord(out: Uint8Array, at: number, value: number): void {
  out[at] = value
  out[at + 1] = value >>> 8
  out[at + 2] = value >>> 16
  out[at + 3] = value >>> 24
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0')
}
