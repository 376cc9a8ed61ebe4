// The API keys in memory, kept current by a watch on the bucket, so that no request waits for the broker.
// Invariants:
// 1. Verifying a token takes the same time whether its key exists or not.
// 2. A key that is not in memory is looked up in the bucket, so that a new key works at once. While the bucket cannot be
//    read the answer is 503, never 401.
// 3. A revocation counts as soon as the watch reports it, an expiry at its instant, for the keys that end with it too. After an interruption of the watch the
//    whole bucket is read again.

import { timingSafeEqual } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KV } from '@nats-io/kv'
import type { Logger } from 'pino'
import { type ApiKeyRecord, keyRecordOf, readKey, readToken } from './api-keys.js'
import { type Problem, unavailable } from './problem.js'
import type { Caller, Scope } from './scopes.js'

export interface KeyVerifier {
  /**
   * The caller that the token identifies, or undefined. Throws a `Problem` of 503 while its key cannot be
   * looked up.
   */
  verify(token: string): Promise<Caller | undefined>
}

interface HeldKey {
  readonly digest: Buffer
  readonly caller: Caller
  readonly revision: number
  readonly isRevoked: boolean
  readonly endsWith: string | null
  /** Infinity: the key never expires. */
  readonly expiresAtMs: number
}

const nobody = Buffer.alloc(32)
/**
 * How long an id that was not found is not looked up again. The ring remembers at most `maxAbsent` such ids.
 */
const absentForMs = 2_000
const maxAbsent = 10_000
const rewatchMs = 1_000
/**
 * For how long after a failed look-up no other is tried, so that requests do not pile up during an outage.
 */
const outOfReachMs = 500
const retryAfterSeconds = 2

export class KeyRing implements KeyVerifier {
  readonly #kv: KV
  readonly #log: Logger
  readonly #nowMs: () => number
  readonly #held = new Map<string, HeldKey>()
  readonly #absentUntilMs = new Map<string, number>()
  #outOfReachUntilMs = 0
  #stopWatch: () => void = () => {}
  #closed = false

  private constructor(kv: KV, log: Logger, nowMs: () => number) {
    this.#kv = kv
    this.#log = log
    this.#nowMs = nowMs
  }

  /** Resolves once all keys are in memory. */
  static async open(kv: KV, log: Logger, nowMs: () => number = Date.now): Promise<KeyRing> {
    const ring = new KeyRing(kv, log, nowMs)
    await new Promise<void>((resolve, reject) => {
      void ring.#watch(resolve).catch(reject)
    })
    return ring
  }

  async verify(token: string): Promise<Caller | undefined> {
    const read = readToken(token)
    if (read === undefined) return undefined
    const held = this.#held.get(read.keyId) ?? (await this.#lookUp(read.keyId))
    const isEqual = timingSafeEqual(read.digest, held?.digest ?? nobody)
    if (!isEqual || held === undefined) return undefined
    return this.#hasEnded(held) || (await this.#endedWith(held)) ? undefined : held.caller
  }

  #hasEnded({ isRevoked, expiresAtMs }: HeldKey): boolean {
    return isRevoked || expiresAtMs <= this.#nowMs()
  }

  async #endedWith({ endsWith }: HeldKey): Promise<boolean> {
    if (endsWith === null) return false
    const other = this.#held.get(endsWith) ?? (await this.#lookUp(endsWith))
    return other === undefined || this.#hasEnded(other)
  }

  close(): void {
    this.#closed = true
    this.#stopWatch()
  }

  async #lookUp(keyId: string): Promise<HeldKey | undefined> {
    const nowMs = performance.now()
    if ((this.#absentUntilMs.get(keyId) ?? 0) > nowMs) return undefined
    if (this.#outOfReachUntilMs > nowMs) throw outOfReach()
    try {
      const found = await readKey(this.#kv, keyId)
      if (found !== undefined) this.#hold(found.record, found.revision)
    } catch (error) {
      this.#outOfReachUntilMs = performance.now() + outOfReachMs
      this.#log.warn({ err: error, keyId }, 'an API key could not be looked up')
      throw outOfReach()
    }
    const held = this.#held.get(keyId)
    if (held === undefined) {
      if (this.#absentUntilMs.size >= maxAbsent) this.#absentUntilMs.clear()
      this.#absentUntilMs.set(keyId, nowMs + absentForMs)
    }
    return held
  }

  /** Keeps the higher revision, since the watch and a look-up may bring the same key in any order. */
  #hold(record: ApiKeyRecord, revision: number): void {
    const known = this.#held.get(record.key_id)
    if (known !== undefined && known.revision > revision) return
    this.#absentUntilMs.delete(record.key_id)
    this.#held.set(record.key_id, {
      digest: Buffer.from(record.sha256, 'hex'),
      caller: { keyId: record.key_id, keyName: record.name, scopes: new Set<Scope>(record.scopes) },
      revision,
      isRevoked: record.revoked_at !== null,
      endsWith: record.ends_with,
      expiresAtMs: record.expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(record.expires_at),
    })
  }

  /** Watches until closed. Calls `onReady` after the first reading; an error before that is thrown. */
  async #watch(onReady: () => void): Promise<void> {
    let ready = false
    while (!this.#closed) {
      try {
        // The watch is opened before the bucket is read, so that no change is missed in between.
        const changes = await this.#kv.watch()
        this.#stopWatch = () => changes.stop()
        await this.#readAll()
        if (!ready) onReady()
        ready = true
        for await (const entry of changes) {
          const record = keyRecordOf(entry)
          if (record !== undefined) this.#hold(record, entry.revision)
          else this.#held.delete(entry.key)
        }
      } catch (error) {
        if (!ready) throw error
        this.#log.warn({ err: error }, 'the watch on the API keys was interrupted')
      }
      if (!this.#closed) await sleep(rewatchMs, undefined, { ref: false })
    }
  }

  async #readAll(): Promise<void> {
    const present = new Set<string>()
    for await (const keyId of await this.#kv.keys()) {
      present.add(keyId)
      const found = await readKey(this.#kv, keyId)
      if (found !== undefined) this.#hold(found.record, found.revision)
    }
    for (const keyId of this.#held.keys()) if (!present.has(keyId)) this.#held.delete(keyId)
  }
}

function outOfReach(): Problem {
  const detail = 'The API key cannot be looked up now: the broker is out of reach. Try again.'
  return unavailable('broker_unavailable', detail, retryAfterSeconds)
}
