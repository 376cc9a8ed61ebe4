// Writes and reads small values as bytes: whole numbers, texts, amounts and instants, one behind the other.
// Invariant: what was written is read back equal, in the same order of calls.

import { Buffer } from 'node:buffer'

const firstBytes = 512
const largestWord = 2n ** 63n - 1n
const smallestWord = -(2n ** 63n)
/** What stands before a bigint: a word of 64 bits, or its decimal text. */
const asWord = 0
/** Amounts nearer to zero than this are written as whole numbers. */
const smallAmount = 2n ** 51n
const asText = 1

export class ByteWriter {
  #bytes = Buffer.allocUnsafe(firstBytes)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** What was written; overwritten by what is written after `clear`. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  clear(): void {
    this.#length = 0
  }

  byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  /** From 0 to 2^53 - 1; seven bits to a byte, the low ones first. */
  whole(value: number): void {
    this.#reserve(8)
    let rest = value
    while (rest > 127) {
      this.#bytes[this.#length++] = (rest % 128) + 128
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.#length++] = rest
  }

  text(value: string): void {
    const length = Buffer.byteLength(value)
    this.whole(length)
    this.#reserve(length)
    this.#length += this.#bytes.write(value, this.#length)
  }

  big(value: bigint): void {
    if (value < smallestWord || value > largestWord) {
      this.byte(asText)
      this.text(String(value))
      return
    }
    this.byte(asWord)
    this.#reserve(8)
    this.#bytes.writeBigInt64LE(value, this.#length)
    this.#length += 8
  }

  /** A bigint that is mostly small: seven bits to a byte. */
  amount(value: bigint): void {
    if (value <= -smallAmount || value >= smallAmount) {
      this.byte(0)
      this.big(value)
      return
    }
    const small = Number(value)
    this.whole(small < 0 ? -2 * small : 2 * small + 1)
  }

  double(value: number): void {
    this.#reserve(8)
    this.#bytes.writeDoubleLE(value, this.#length)
    this.#length += 8
  }

  /** Of an even number of hexadecimal digits in lower case. */
  hex(digits: string): void {
    this.#reserve(digits.length / 2)
    this.#length += this.#bytes.write(digits, this.#length, 'hex')
  }

  #reserve(length: number): void {
    if (this.#length + length <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + length))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}

export class ByteReader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = at
  }

  get at(): number {
    return this.#at
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  byte(): number {
    const value = this.#bytes[this.#at]
    if (value === undefined) throw new Error('the bytes end too early')
    this.#at += 1
    return value
  }

  whole(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const part = this.byte()
      value += (part & 127) * scale
      if (part < 128) return value
    }
  }

  text(): string {
    const length = this.whole()
    this.#at += length
    return this.#bytes.toString('utf8', this.#at - length, this.#at)
  }

  big(): bigint {
    if (this.byte() === asText) return BigInt(this.text())
    this.#at += 8
    return this.#bytes.readBigInt64LE(this.#at - 8)
  }
  amount(): bigint {
    const whole = this.whole()
    if (whole === 0) return this.big()
    return BigInt(whole % 2 === 0 ? -whole / 2 : (whole - 1) / 2)
  }

  double(): number {
    this.#at += 8
    return this.#bytes.readDoubleLE(this.#at - 8)
  }

  /** `length` bytes as hexadecimal digits. */
  hex(length: number): string {
    this.#at += length
    return this.#bytes.toString('hex', this.#at - length, this.#at)
  }
}
