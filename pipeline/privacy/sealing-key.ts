// One customer's key, and sealing values with it: deterministic authenticated encryption. The first 16 bytes of the
// HMAC-SHA256 of the value are its authentication code and the initial vector of AES-256-CTR (the construction of SIV:
// Rogaway and Shrimpton, "Deterministic Authenticated-Encryption", 2006).
// Invariants: one value sealed twice with one key is one text, so that duplicates stay duplicates and distinct values can be
// counted; a text that was changed, or sealed with another key, does not open.

import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto'
import { parseSealed, sealedText } from '../../schemas/personal-data/sealed-value.js'

export const keyBytes = 32
const codeBytes = 16
const cipher = 'aes-256-ctr'

export class SealingKey {
  readonly generation: number
  readonly #codeKey: Buffer
  readonly #cipherKey: Buffer

  /** `bytes`: `keyBytes` random bytes. */
  constructor(generation: number, bytes: Uint8Array) {
    if (bytes.length !== keyBytes)
      throw new Error(`A key has ${keyBytes} bytes; this one has ${bytes.length}.`)
    this.generation = generation
    this.#codeKey = createHmac('sha256', bytes).update('code').digest()
    this.#cipherKey = createHmac('sha256', bytes).update('cipher').digest()
  }

  seal(json: string): string {
    const code = this.#codeOf(json)
    const encrypting = createCipheriv(cipher, this.#cipherKey, code)
    const bytes = Buffer.concat([code, encrypting.update(json, 'utf8'), encrypting.final()])
    return sealedText({ generation: this.generation, bytes })
  }

  /** The JSON text of the value; undefined when this key did not seal it. */
  open(text: string): string | undefined {
    const sealed = parseSealed(text)
    if (sealed === undefined || sealed.generation !== this.generation) return undefined
    const code = sealed.bytes.subarray(0, codeBytes)
    const decrypting = createDecipheriv(cipher, this.#cipherKey, code)
    const json = Buffer.concat([
      decrypting.update(sealed.bytes.subarray(codeBytes)),
      decrypting.final(),
    ]).toString()
    return timingSafeEqual(this.#codeOf(json), code) ? json : undefined
  }

  #codeOf(json: string): Buffer {
    return createHmac('sha256', this.#codeKey).update(json, 'utf8').digest().subarray(0, codeBytes)
  }
}
