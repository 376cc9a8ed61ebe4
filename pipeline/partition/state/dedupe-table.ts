// Which events have been seen: 128 bits of the identity, 64 bits of the content, the day of arrival.
// Owns memory and look-up; what an event's identity and content are is decided by schemas/event-hash.ts.
// Invariants: exact on the 128 bits; a key is known for `keepDays` after the day it arrived and, whether it has been
// swept or not, unknown afterwards, so that a restored table answers as the one that it was made from.
//
// 64 bits of the content suffice: it is compared with one other event of the same identity, never with all.
// A key costs 26 bytes; a shard is grown by a fifth when it is four fifths full, so at most 39 bytes with its slack.
// Growth moves one of 256 shards at a time, so no event waits for the whole table.

const shardBits = 8
const shardCount = 1 << shardBits
const firstCapacity = 16
const maxLoad = 0.8
const growth = 1.2
/** Words of 32 bits per key: four of the identity, two of the content. */
const keyWords = 6
const entryBytes = keyWords * 4 + 2

export type Sighting = 'new' | 'duplicate' | 'conflicting'

interface Shard {
  capacity: number
  used: number
  words: Uint32Array
  /** Days since the epoch, 0 for an empty slot, 1 for a key that was let go. */
  days: Uint16Array
}

/** A slot that once held a key: it keeps the probe sequences whole and is reused when the shard is rebuilt. */
const letGo = 1

export class DedupeTable {
  readonly #keepDays: number
  #shards: Shard[] = Array.from({ length: shardCount }, () => newShard(firstCapacity))
  #log: Uint8Array = new Uint8Array(entryBytes * 64)
  #logged = 0
  readonly #entry = new Uint32Array(keyWords)
  #swept = { shard: 0, day: 0 }

  /** `keepDays` may be Infinity. */
  constructor(keepDays: number) {
    this.#keepDays = keepDays
  }

  /** Slots in use, keys past their time included until they are swept. */
  get size(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.used, 0)
  }

  get bytes(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.capacity * entryBytes, 0)
  }

  get changed(): boolean {
    return this.#logged > 0
  }

  /** Looks the identity up and remembers it when it is new. Both hashes are read from their first words. */
  see(identity: Uint32Array, content: Uint32Array, day: number): Sighting {
    const shard = this.#shardOf(identity)
    const at = slotOf(shard, identity)
    if (shard.days[at]! > letGo && shard.days[at]! + this.#keepDays >= day) {
      const word = at * keyWords
      return shard.words[word + 4] === content[0] && shard.words[word + 5] === content[1]
        ? 'duplicate'
        : 'conflicting'
    }
    this.#write(identity, content, day)
    return 'new'
  }

  /** The 64 bits of content that are kept for an identity, as 16 hexadecimal digits; '' when it is unknown. */
  contentOf(identity: Uint32Array): string {
    const shard = this.#shardOf(identity)
    const at = slotOf(shard, identity)
    if (shard.days[at]! <= letGo) return ''
    return hex(shard.words[at * keyWords + 4]!) + hex(shard.words[at * keyWords + 5]!)
  }

  /** Forgets an identity, so that the same event can be taken again. */
  forget(identity: Uint32Array): void {
    const shard = this.#shardOf(identity)
    if (shard.days[slotOf(shard, identity)]! <= letGo) return
    this.#write(identity, new Uint32Array(2), letGo)
  }

  /** Frees a few shards of keys whose time is over; called once per batch. */
  sweep(day: number): void {
    if (!Number.isFinite(this.#keepDays)) return
    if (this.#swept.shard === shardCount) {
      if (day <= this.#swept.day) return
      this.#swept = { shard: 0, day }
    }
    const until = Math.min(shardCount, this.#swept.shard + 4)
    for (; this.#swept.shard < until; this.#swept.shard += 1) {
      const shard = this.#shards[this.#swept.shard]!
      const oldest = day - this.#keepDays
      if (shard.days.some(kept => kept !== 0 && kept < oldest)) {
        this.#shards[this.#swept.shard] = rebuilt(shard, oldest)
      }
    }
  }

  /** What was added or let go since the last call, 26 bytes each. */
  takeDelta(): Uint8Array {
    const taken = this.#log.slice(0, this.#logged)
    this.#logged = 0
    return taken
  }

  /** Everything, in the form of a delta. */
  dump(): Uint8Array {
    const out = new Uint8Array(this.size * entryBytes)
    let length = 0
    for (const shard of this.#shards) {
      for (let slot = 0; slot < shard.capacity; slot += 1) {
        if (shard.days[slot]! <= letGo) continue
        const from = slot * keyWords
        writeEntry(out, length, shard.words.subarray(from, from + keyWords), shard.days[slot]!)
        length += entryBytes
      }
    }
    return out.slice(0, length)
  }

  /** Takes over a delta or a dump; what it brings does not count as a change. */
  apply(entries: Uint8Array): void {
    const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength)
    const words = new Uint32Array(keyWords)
    for (let at = 0; at < entries.length; at += entryBytes) {
      for (let word = 0; word < keyWords; word += 1) words[word] = view.getUint32(at + word * 4, true)
      this.#store(words, words.subarray(4), view.getUint16(at + keyWords * 4, true))
    }
  }

  #write(identity: Uint32Array, content: Uint32Array, day: number): void {
    this.#store(identity, content, day)
    if (this.#logged + entryBytes > this.#log.length) {
      const larger = new Uint8Array(this.#log.length * 2)
      larger.set(this.#log)
      this.#log = larger
    }
    const entry = this.#entry
    for (let word = 0; word < 4; word += 1) entry[word] = identity[word]!
    entry[4] = content[0]!
    entry[5] = content[1]!
    writeEntry(this.#log, this.#logged, entry, day)
    this.#logged += entryBytes
  }

  #store(identity: Uint32Array, content: Uint32Array, day: number): void {
    const index = identity[0]! >>> (32 - shardBits)
    let shard = this.#shards[index]!
    if (shard.used + 1 > shard.capacity * maxLoad) {
      shard = rebuilt(shard, 0)
      this.#shards[index] = shard
    }
    const at = slotOf(shard, identity)
    if (shard.days[at] === 0) shard.used += 1
    const word = at * keyWords
    for (let i = 0; i < 4; i += 1) shard.words[word + i] = identity[i]!
    shard.words[word + 4] = content[0]!
    shard.words[word + 5] = content[1]!
    shard.days[at] = day
  }

  #shardOf(identity: Uint32Array): Shard {
    return this.#shards[identity[0]! >>> (32 - shardBits)]!
  }
}

function newShard(capacity: number): Shard {
  return {
    capacity,
    used: 0,
    words: new Uint32Array(capacity * keyWords),
    days: new Uint16Array(capacity),
  }
}

/** The slot that holds the identity, or the empty one where it belongs. Linear probing; a shard is never full. */
function slotOf(shard: Shard, identity: Uint32Array): number {
  const first = identity[0]!
  const second = identity[1]!
  const third = identity[2]!
  const fourth = identity[3]!
  // Multiply and shift instead of a mask, so that capacities need not be powers of two.
  let slot = Math.floor((second / 0x1_0000_0000) * shard.capacity)
  while (shard.days[slot] !== 0) {
    const word = slot * keyWords
    if (
      shard.words[word + 1] === second &&
      shard.words[word] === first &&
      shard.words[word + 2] === third &&
      shard.words[word + 3] === fourth
    ) {
      return slot
    }
    slot = slot + 1 === shard.capacity ? 0 : slot + 1
  }
  return slot
}

/** The shard without keys of days before `oldest` and without those let go, with room for more. */
function rebuilt(shard: Shard, oldest: number): Shard {
  const kept: number[] = []
  for (let slot = 0; slot < shard.capacity; slot += 1) {
    if (shard.days[slot]! > letGo && shard.days[slot]! >= oldest) kept.push(slot)
  }
  const capacity = Math.max(firstCapacity, Math.ceil(((kept.length + 1) / maxLoad) * growth))
  const result = newShard(capacity)
  for (const slot of kept) {
    const from = slot * keyWords
    const words = shard.words.subarray(from, from + keyWords)
    const at = slotOf(result, words)
    result.words.set(words, at * keyWords)
    result.days[at] = shard.days[slot]!
  }
  result.used = kept.length
  return result
}

function writeEntry(out: Uint8Array, at: number, words: Uint32Array, day: number): void {
  for (let word = 0; word < keyWords; word += 1) {
    const value = words[word]!
    out[at + word * 4] = value
    out[at + word * 4 + 1] = value >>> 8
    out[at + word * 4 + 2] = value >>> 16
    out[at + word * 4 + 3] = value >>> 24
  }
  out[at + keyWords * 4] = day
  out[at + keyWords * 4 + 1] = day >>> 8
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0')
}
