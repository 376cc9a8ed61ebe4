// What one account at a receiver still allows, kept at the broker for all processes: the time of the next free slot for a request,
// and how many requests at the same time each process may have under way.
// Invariants:
// 1. A slot is given once; slots lie at least `intervalMs` apart. A slot that passes unused is lost, so nothing bursts after a rest.
// 2. The places of all processes together are never more than `concurrent`. A process that says nothing for `shareMs` has none, and
//    begins nothing (account-limiter.ts).
// 3. Time is the broker's: the clocks of machines do not matter.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { stableId } from '../../schemas/identifiers.js'
import { writeOver } from '../broker/wrong-revision.js'

export interface Wish {
  readonly slots: number
  readonly intervalMs: number
  /** For all processes; undefined: any number. */
  readonly concurrent: number | undefined
  /** Requests under way in this process. */
  readonly inUse: number
}

export interface Share {
  /** In how many milliseconds the first of the slots begins. */
  readonly firstInMs: number
  /** How many requests this process may have under way, for `shareMs`. */
  readonly places: number
}

export interface AccountLine {
  ask(wish: Wish): Promise<Share>
}

/** How long a process holds its places without a word. */
export const shareMs = 10_000
const clockKnownMs = 60_000

const stateSchema = z.object({
  free_at: z.number(),
  holders: z.record(z.string(), z.object({ places: z.int().min(0), until: z.number() })),
})
type State = z.output<typeof stateSchema>

export interface AccountLineOptions {
  /** The bucket `weir_sinks`. */
  readonly kv: KV
  readonly jsm: JetStreamManager
  readonly kind: string
  readonly account: string
  /** Unique to this process. */
  readonly process: string
}

export function accountLine({ kv, jsm, kind, account, process }: AccountLineOptions): AccountLine {
  const key = `rate.${stableId('a', kind, account)}`
  const brokerNow = brokerClock(jsm)
  return {
    async ask(wish) {
      for (;;) {
        const entry = await kv.get(key)
        const nowMs = await brokerNow()
        const state = entry === null || entry.operation !== 'PUT' ? undefined : stateOf(entry.value)
        const { next, share } = shareOf(state ?? { free_at: 0, holders: {} }, process, wish, nowMs)
        if (await writeOver(kv, key, JSON.stringify(next), entry?.revision ?? 0)) return share
      }
    },
  }
}

/** Pure: what this process gets of an account, and what is left. */
export function shareOf(
  { free_at: freeAt, holders }: State,
  process: string,
  { slots, intervalMs, concurrent, inUse }: Wish,
  nowMs: number,
): { readonly next: State; readonly share: Share } {
  const firstMs = Math.max(nowMs, freeAt)
  const others = Object.entries(holders).filter(([id, { until }]) => id !== process && until > nowMs)
  const live = Object.fromEntries(others)
  const next = { free_at: Math.ceil(firstMs + slots * intervalMs), holders: live }
  if (concurrent === undefined) return { next, share: { firstInMs: firstMs - nowMs, places: Infinity } }
  const taken = others.reduce((sum, [, { places }]) => sum + places, 0)
  const fair = Math.max(1, Math.floor(concurrent / (others.length + 1)))
  // More processes than places: whoever had one lets the next one in.
  const isOverdue = others.length >= concurrent && (holders[process]?.places ?? 0) > 0
  const isWaitedFor = isOverdue && others.some(([, { places }]) => places === 0)
  const places = isWaitedFor ? 0 : Math.max(0, Math.min(fair, concurrent - taken))
  live[process] = { places: Math.max(places, inUse), until: nowMs + shareMs } // invariant 2
  return { next, share: { firstInMs: firstMs - nowMs, places } }
}

function stateOf(bytes: Uint8Array): State | undefined {
  try {
    return stateSchema.parse(JSON.parse(new TextDecoder().decode(bytes)))
  } catch {
    return undefined // somebody wrote into the bucket: the line begins anew
  }
}

/** The broker's time, asked for once a minute. */
function brokerClock(jsm: JetStreamManager): () => Promise<number> {
  let [aheadMs, knownUntilMs] = [0, Number.NEGATIVE_INFINITY]
  return async () => {
    if (performance.now() >= knownUntilMs) {
      const askedMs = performance.now()
      const { ts } = (await jsm.streams.info('KV_weir_sinks')) as { readonly ts?: string }
      const middleMs = (askedMs + performance.now()) / 2
      aheadMs = (ts === undefined ? Date.now() : Date.parse(ts)) - middleMs
      knownUntilMs = middleMs + clockKnownMs
    }
    return performance.now() + aheadMs
  }
}
