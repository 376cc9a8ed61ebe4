// Seeded randomness: the same seed gives the same traffic on every machine.

/** SplitMix32: 32 bits of state, good enough for traffic and fast. */
export class Random {
  readonly #seed: number
  #state: number

  constructor(seed: number) {
    this.#seed = seed >>> 0
    this.#state = this.#seed
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0
    return (mixed(this.#state) >>> 0) / 2 ** 32
  }

  /** 16 hexadecimal digits, no two alike for different indexes below 2^32: the first half is a permutation of them. */
  uniqueHex(index: number): string {
    const first = mixed(index ^ this.#seed) >>> 0
    const second = mixed((index ^ this.#seed) + 0x7f4a7c15) >>> 0
    return first.toString(16).padStart(8, '0') + second.toString(16).padStart(8, '0')
  }
}

/** A permutation of the 32-bit integers. */
function mixed(value: number): number {
  let word = value | 0
  word = Math.imul(word ^ (word >>> 16), 0x21f0aaad)
  word = Math.imul(word ^ (word >>> 15), 0x735a2d97)
  return word ^ (word >>> 15)
}

/** Ranks 0 to n-1, where rank r is drawn with a weight of 1 / (r + 1). */
export class ZipfRanks {
  readonly #cumulated: Float64Array

  constructor(count: number) {
    this.#cumulated = new Float64Array(count)
    let sum = 0
    for (let rank = 0; rank < count; rank += 1) {
      sum += 1 / (rank + 1)
      this.#cumulated[rank] = sum
    }
  }

  draw(random: Random): number {
    const last = this.#cumulated.length - 1
    const target = random.next() * this.#cumulated[last]!
    let low = 0
    let high = last
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#cumulated[middle]! <= target) low = middle + 1
      else high = middle
    }
    return low
  }
}
