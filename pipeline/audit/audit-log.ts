// Appends entries to the stream AUDIT, as one chain for all processes.
// Invariants:
// 1. An entry is written only behind the entry whose hash it holds: the broker refuses it when another process was faster,
//    and it is made again behind that one.
// 2. An act is on record once, however often the broker's answer is lost: an entry whose answer did not come is looked for
//    by its id before it is written again.
// 3. What the genesis key does not seal was not written by Weir: the chain passes over it, and verification names it.
// 4. The anchor (bucket `weir_audit`) names an entry that is on disk, and only moves forward.

import { createHash, randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import type { Logger } from 'pino'
import {
  type AuditEntry,
  type AuditWho,
  auditEntrySchema,
  firstHash,
  hashedEntry,
} from '../../schemas/audit/audit-entry.js'
import { canonicalJson } from '../../schemas/json/canonical-json.js'
import { publishBatch } from '../broker/atomic-batch.js'
import { backOffMs, pauseFor } from '../broker/back-off.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { openSealed, sealJson } from '../broker/genesis.js'
import { natsSubjects } from '../broker/topology.js'
import type { AuditAct, PublishingTrail } from '../gateway/audit-trail.js'
import { unavailable } from '../gateway/problem.js'
import type { Caller } from '../gateway/scopes.js'
import { type Anchor, keepUnmet, readAnchor, writeAnchor } from './anchor.js'
import type { PublishedAct, PublishedTerms } from './published-terms.js'

export const auditStream = 'AUDIT'

export interface AuditLogOptions {
  readonly bulk: BulkTransport
  readonly jsm: JetStreamManager
  /** The bucket `weir_audit`. */
  readonly anchors: KV
  /** The genesis key. */
  readonly key: Uint8Array
  readonly log: Logger
  readonly terms: Pick<PublishedTerms, 'actsOf'>
  readonly nowMs?: () => number
  /** How long the broker may take, attempts included. */
  readonly withinMs?: number
}

/** The end of the chain. `streamSequence`: of the last message, whoever wrote it. */
interface Head {
  readonly sequence: number
  readonly hash: string
  readonly streamSequence: number
}

type Content = Omit<AuditEntry, 'sequence' | 'previous_hash' | 'hash'>

type Attempt = { readonly mayStandFrom?: number } & (
  | { readonly kind: 'done' }
  /** Another process wrote an entry first. */
  | { readonly kind: 'overtaken' }
  | { readonly kind: 'trouble' | 'refused'; readonly detail: string }
)

const defaultWithinMs = 10_000
const attemptMs = 3_000
const never = new AbortController().signal
const retry = { retryMinMs: 20, retryMaxMs: 500 }
const actPattern = /^[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+$/
/** Bytes of `before` and of `after`, each; what is larger is recorded by its hash. */
const mostValueBytes = 64 * 1024

export class AuditLog implements PublishingTrail {
  readonly #options: AuditLogOptions
  #head: Head | undefined
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(options: AuditLogOptions) {
    this.#options = options
  }

  /** Keeps the anchor if the stream does not meet it, so that what is missing stays known (anchor.ts). */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const log = new AuditLog(options)
    const { anchors, key } = options
    const anchor = await readAnchor(anchors, key)
    if (anchor === 'none' || anchor === 'forged' || (await log.#isMet(anchor))) return log
    await keepUnmet(anchors, key, anchor)
    options.log.error({ ...anchor }, 'entries of the audit trail are missing: weir audit verify names them')
    return log
  }

  record(act: AuditAct): Promise<void> {
    if (!actPattern.test(act.act)) throw new Error(`${act.act} is no name of an act`)
    const done = this.#turn.then(() => this.#append(act))
    this.#turn = done.catch(() => undefined)
    return done
  }

  async published(caller: Caller | 'process', ndjson: Uint8Array): Promise<void> {
    for (const { changesSomething, ...act } of await this.#terms(ndjson))
      if (changesSomething || caller !== 'process') await this.record({ caller, ...act })
  }

  async #terms(ndjson: Uint8Array): Promise<readonly PublishedAct[]> {
    try {
      return await this.#options.terms.actsOf(ndjson)
    } catch (error) {
      throw notOnRecord(String(error))
    }
  }

  async #append(act: AuditAct): Promise<void> {
    const { nowMs = Date.now, withinMs = defaultWithinMs } = this.#options
    const content = contentOf(act, nowMs())
    const deadline = performance.now() + withinMs
    /** The first place where the entry may stand, once an answer did not come. */
    let mayStandFrom: number | undefined
    for (let attempt = 1; ; attempt += 1) {
      const tried = await this.#attempt(content, mayStandFrom).catch(error => troubleOf(error))
      if (tried.kind === 'done') return
      this.#head = undefined
      mayStandFrom ??= tried.mayStandFrom
      if (tried.kind === 'refused') throw new Error(`the broker refused an audit entry: ${tried.detail}`)
      if (tried.kind === 'overtaken') continue
      if (performance.now() > deadline) throw notOnRecord(tried.detail)
      await pauseFor(backOffMs(attempt, retry, Math.random()), never)
    }
  }

  async #attempt(content: Content, mayStandFrom: number | undefined): Promise<Attempt> {
    const { bulk, key } = this.#options
    const head = this.#head ?? (await this.#readHead())
    if (mayStandFrom !== undefined && (await this.#isStored(content.entry_id, mayStandFrom)))
      return { kind: 'done' } // invariant 2
    const entry = hashedEntry({ ...content, sequence: head.sequence + 1, previous_hash: head.hash })
    const message = { natsSubject: natsSubjects.audit, bytes: sealJson(entry, key) }
    const fence = { lastSubjectSequence: head.streamSequence } // invariant 1
    const outcome = await publishBatch(bulk, [message], fence, attemptMs)
    switch (outcome.kind) {
      case 'stored':
        await this.#stored(entry, outcome.seq)
        return { kind: 'done' }
      case 'fenced':
        return { kind: 'overtaken' }
      case 'unknown':
        return { kind: 'trouble', detail: outcome.detail, mayStandFrom: head.streamSequence + 1 }
      case 'busy':
        return { kind: 'trouble', detail: outcome.detail }
      case 'refused':
      case 'too_large':
        return { kind: 'refused', detail: outcome.detail }
      default:
        return outcome satisfies never
    }
  }

  async #stored(entry: AuditEntry, streamSequence: number): Promise<void> {
    this.#head = { sequence: entry.sequence, hash: entry.hash, streamSequence }
    const { anchors, key, log } = this.#options
    try {
      await writeAnchor(anchors, key, { sequence: entry.sequence, hash: entry.hash })
    } catch (error) {
      log.warn({ err: error }, 'the anchor of the audit trail could not be moved; the next entry moves it')
    }
  }

  /** Reads back from the end of the stream to the last entry that Weir wrote (invariant 3). */
  async #readHead(): Promise<Head> {
    const { jsm, key } = this.#options
    const last = await jsm.streams.getMessage(auditStream, { last_by_subj: natsSubjects.audit })
    const streamSequence = last?.seq ?? 0
    for (let seq = streamSequence; seq > 0; seq -= 1) {
      const message = seq === streamSequence ? last : await jsm.streams.getMessage(auditStream, { seq })
      const entry = message === null ? undefined : openEntry(message.data, key)
      if (entry !== undefined) return { sequence: entry.sequence, hash: entry.hash, streamSequence }
    }
    return { sequence: 0, hash: firstHash, streamSequence }
  }

  async #isMet({ sequence, hash }: Anchor): Promise<boolean> {
    const { jsm, key } = this.#options
    for (let seq = sequence; ; seq += 1) {
      const message = await jsm.streams.getMessage(auditStream, { seq })
      if (message === null) return false
      const entry = openEntry(message.data, key)
      if (entry !== undefined && entry.sequence >= sequence) return entry.hash === hash
    }
  }

  async #isStored(entryId: string, from: number): Promise<boolean> {
    const { jsm, key } = this.#options
    for (let seq = from; ; seq += 1) {
      const message = await jsm.streams.getMessage(auditStream, { seq })
      if (message === null) return false
      if (openEntry(message.data, key)?.entry_id === entryId) return true
    }
  }
}

/** The entry of a message; undefined when Weir did not write it. */
export function openEntry(bytes: Uint8Array, key: Uint8Array): AuditEntry | undefined {
  const parsed = auditEntrySchema.safeParse(openSealed(bytes, key))
  return parsed.success ? parsed.data : undefined
}

function troubleOf(error: unknown): Attempt {
  return { kind: 'trouble', detail: String(error) }
}

function contentOf(act: AuditAct, nowMs: number): Content {
  return {
    entry_id: randomUUID(),
    at: new Date(nowMs).toISOString(),
    by: whoOf(act.caller),
    act: act.act,
    object: { kind: act.object.kind, id: act.object.id },
    reason: act.reason === undefined || act.reason === '' ? null : act.reason,
    before: keptValue(act.before),
    after: keptValue(act.after),
  }
}

function whoOf(caller: Caller | 'process'): AuditWho {
  if (caller === 'process') return { kind: 'process', id: `${hostname()}/${process.pid}`, name: 'weir' }
  if (caller.keyId === undefined) return { kind: 'keyless', id: '', name: '' }
  return { kind: 'key', id: caller.keyId, name: caller.keyName ?? '' }
}

/** As JSON makes it, so that it is the same when it is read back. */
function keptValue(value: unknown): unknown {
  if (value === undefined || value === null) return null
  const plain: unknown = JSON.parse(JSON.stringify(value))
  const text = canonicalJson(plain)
  const bytes = Buffer.byteLength(text)
  return bytes <= mostValueBytes ? plain : { bytes, sha256: createHash('sha256').update(text).digest('hex') }
}

function notOnRecord(detail: string) {
  const text = `The act could not be put on record (${detail}). It was not done; send the request again.`
  return unavailable('broker_unavailable', text, 1)
}
