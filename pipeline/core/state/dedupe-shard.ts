// One of the 256 parts of the dedupe table: open addressing in one typed array, 24 bytes per slot.
// Owns the layout of a slot, probing, and the size of a shard. A day is only a number here.
//
// A slot, 6 words of 32 bits in one place, so that a look-up touches one stretch of memory. It keeps 120 bits of the
// identity (the first eight are the shard's number), 56 bits of the content (c) and the day, 0 in an empty slot and 1 in
// that of a forgotten key:
//
//   word  0                  1            2            3            4          5
//        ┌────────┬─────────┬────────────┬────────────┬────────────┬──────────┬────────┬────────┐
//        │ c 8..15│ id 0..23│ identity 1 │ identity 2 │ identity 3 │ c word 0 │ c16..31│ day    │
//        └────────┴─────────┴────────────┴────────────┴────────────┴──────────┴────────┴────────┘
//   bits  31..24   23..0                                                       31..16   15..0
//        (c 8..15 and c 16..31 are bits of the content's second word; its last eight are not kept)
//
// A slot's place is the identity scaled to the capacity, so it keeps its order when the capacity changes: moving a shard
// reads and writes memory from front to back, and costs a few nanoseconds per key however large the table is.

const slotWords = 6
const slotBytes = slotWords * 4
const firstCapacity = 16
const maxLoad = 0.8
const growth = 1.4
/** Free slots that a shard has after it was moved, so that it is not moved again at once. */
const spare = 1.05
const low24 = 0xff_ffff
const dayMask = 0xffff

/** A slot that once held a key: it keeps the probe sequences whole, and goes when the shard is moved. */
export const letGo = 1

export interface DedupeShard {
  /** Where this shard is between two steps of growth, 0 to 1: shards take turns, so that not all grow at once. */
  readonly phase: number
  capacity: number
  /** The 32 bits of a place, times this, are a slot. */
  scale: number
  used: number
  words: Int32Array
}

/** An empty shard with free slots for `keys` keys. */
export function emptyShard(phase: number, keys = 0): DedupeShard {
  const capacity = capacityFor(keys, phase)
  return {
    phase,
    capacity,
    scale: capacity / 0x1_0000_0000,
    used: 0,
    words: new Int32Array(capacity * slotWords),
  }
}

export function isFull(shard: DedupeShard): boolean {
  return shard.used + 1 > shard.capacity * maxLoad
}

export function bytesOf(shard: DedupeShard): number {
  return shard.capacity * slotBytes
}

/** The first word of the slot that holds the identity, or of the empty one where it belongs. Linear probing. */
export function find(shard: DedupeShard, identity: Uint32Array): number {
  const words = shard.words
  const end = words.length
  const first = identity[0]!
  const second = identity[1]! | 0
  const third = identity[2]! | 0
  const fourth = identity[3]! | 0
  let at = Math.floor(identity[1]! * shard.scale) * slotWords
  while ((words[at + 5]! & dayMask) !== 0) {
    if (
      words[at + 1] === second &&
      ((words[at]! ^ first) & low24) === 0 &&
      words[at + 2] === third &&
      words[at + 3] === fourth
    ) {
      return at
    }
    at += slotWords
    if (at === end) at = 0
  }
  return at
}

/** Reads where an identity belongs, by its second word. */
export function touch(shard: DedupeShard, second: number): number {
  return shard.words[Math.floor(second * shard.scale) * slotWords]!
}

export function dayAt(shard: DedupeShard, at: number): number {
  return shard.words[at + 5]! & dayMask
}

/** Whether the slot's content is this one, in the 56 bits that are kept. */
export function hasContent(shard: DedupeShard, at: number, content: Uint32Array): boolean {
  const words = shard.words
  const second = content[1]!
  return (
    words[at + 4] === (content[0]! | 0) &&
    words[at + 5]! >>> 16 === second >>> 16 &&
    words[at]! >>> 24 === ((second >>> 8) & 0xff)
  )
}

/** The second word of the content, its last eight bits 0. */
export function secondContentWord(shard: DedupeShard, at: number): number {
  return ((shard.words[at + 5]! & ~dayMask) | ((shard.words[at]! >>> 24) << 8)) >>> 0
}

/** Writes a slot that `find` gave. The shard must not be full when the slot is empty. */
export function put(
  shard: DedupeShard,
  at: number,
  identity: Uint32Array,
  content: Uint32Array,
  day: number,
): void {
  const words = shard.words
  if ((words[at + 5]! & dayMask) === 0) shard.used += 1
  const second = content[1]!
  words[at] = (identity[0]! & low24) | ((second >>> 8) << 24)
  words[at + 1] = identity[1]!
  words[at + 2] = identity[2]!
  words[at + 3] = identity[3]!
  words[at + 4] = content[0]!
  words[at + 5] = (second & ~dayMask) | day
}

/** Keys that are not forgotten and not of a day before `oldest`. */
export function countKept(shard: DedupeShard, oldest: number): number {
  const words = shard.words
  let kept = 0
  for (let at = 5; at < words.length; at += slotWords) {
    const day = words[at]! & dayMask
    if (day > letGo && day >= oldest) kept += 1
  }
  return kept
}

/** Moves what is kept into memory of the right size, larger or smaller. `kept`: as `countKept` counted. */
export function move(shard: DedupeShard, oldest: number, kept: number): void {
  const old = shard.words
  const capacity = capacityFor(kept, shard.phase)
  const words = new Int32Array(capacity * slotWords)
  const scale = capacity / 0x1_0000_0000
  const end = words.length
  for (let from = 0; from < old.length; from += slotWords) {
    const last = old[from + 5]!
    const day = last & dayMask
    if (day <= letGo || day < oldest) continue
    const second = old[from + 1]!
    let at = Math.floor((second >>> 0) * scale) * slotWords
    while (words[at + 5]! !== 0) {
      at += slotWords
      if (at === end) at = 0
    }
    words[at] = old[from]!
    words[at + 1] = second
    words[at + 2] = old[from + 2]!
    words[at + 3] = old[from + 3]!
    words[at + 4] = old[from + 4]!
    words[at + 5] = last
  }
  shard.capacity = capacity
  shard.scale = scale
  shard.words = words
  shard.used = kept
}

/** The least step of the shard's growth that holds so many keys and has free slots for more. */
function capacityFor(keys: number, phase: number): number {
  const needed = (keys * spare + 1) / maxLoad
  const step = Math.ceil(Math.log(needed / firstCapacity) / Math.log(growth) - phase)
  return Math.ceil(firstCapacity * growth ** (Math.max(0, step) + phase))
}
