// Keeps refresh tokens that change with each use, in the bucket `weir_tokens`: one entry per connection.
// Invariant: what is kept is encrypted (AES-256-GCM) with a key that only the operator's secret holds; the connection's
// name is authenticated with it, so that an entry counts for its own connection alone.

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import type { SecretRead } from '../../sinks/connector-kind.js'
import type { KeptToken, TokenStore } from '../../sinks/oauth/token-store.js'
import { writeOver } from '../broker/wrong-revision.js'

const keptSchema = z.object({ refresh_token: z.string(), descends_from: z.string() })
const nonceBytes = 12
const tagBytes = 16

export interface TokenStoreOptions {
  /** The bucket `weir_tokens`. */
  readonly kv: KV
  readonly connection: string
  /** The text of the operator's secret; the key is derived from it. */
  readonly key: () => SecretRead
}

export class KvTokenStore implements TokenStore {
  readonly #options: TokenStoreOptions

  constructor(options: TokenStoreOptions) {
    this.#options = options
  }

  async read(): ReturnType<TokenStore['read']> {
    const { kv, connection } = this.#options
    const entry = await kv.get(connection)
    if (entry === null || entry.operation !== 'PUT')
      return { kept: undefined, revision: entry?.revision ?? 0 }
    const { refresh_token: refreshToken, descends_from: descendsFrom } = keptSchema.parse(
      JSON.parse(this.#decrypt(entry.value)),
    )
    return { kept: { refreshToken, descendsFrom }, revision: entry.revision }
  }

  async write({ refreshToken, descendsFrom }: KeptToken, revision: number): Promise<boolean> {
    const { kv, connection } = this.#options
    const bytes = this.#encrypt(JSON.stringify({ refresh_token: refreshToken, descends_from: descendsFrom }))
    return writeOver(kv, connection, bytes, revision)
  }

  #key(): Uint8Array {
    const read = this.#options.key()
    if (read.kind !== 'ok') throw new Error(read.detail)
    return new Uint8Array(hkdfSync('sha256', read.secret, 'weir_tokens', this.#options.connection, 32))
  }

  #encrypt(text: string): Uint8Array {
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#key(), nonce).setAAD(
      Buffer.from(this.#options.connection),
    )
    return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  }

  #decrypt(bytes: Uint8Array): string {
    const nonce = bytes.subarray(0, nonceBytes)
    const tag = bytes.subarray(bytes.byteLength - tagBytes)
    const decipher = createDecipheriv('aes-256-gcm', this.#key(), nonce)
      .setAAD(Buffer.from(this.#options.connection))
      .setAuthTag(tag)
    const body = bytes.subarray(nonceBytes, bytes.byteLength - tagBytes)
    try {
      return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8')
    } catch {
      throw new Error('it was encrypted with another token_key')
    }
  }
}
