// What people ask of single deliveries, in the bucket `weir_sinks` under `asked.<connection>.<delivery>`: any process writes
// it, and the one that holds the connection does it, now or when it starts.
// Invariants: a request is kept until it was done; to do it twice is to do it once. What somebody found out of an unclear one, and
// that its exception was discarded, have keys of their own, so that no other request takes their place, nor a second word that of the first.

import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { pauseFor } from '../broker/back-off.js'
import { isWrongRevision, writeOver } from '../broker/wrong-revision.js'

export const deliveryActs = ['retry', 'release', 'reread', 'there', 'absent'] as const
export type DeliveryAct = (typeof deliveryActs)[number]

const requestSchema = z.object({
  delivery_id: z.string(),
  connection: z.string(),
  /**
   * `retry`: try again now. `release`: do not wait for the record that it comes after. `reread`: its exception was discarded, or opened
   * again. `there`, `absent`: somebody has looked at the receiver for an unclear one.
   */
  act: z.enum(deliveryActs),
  reason: z.string(),
  by: z.string(),
  at: z.string(),
  /** Of `there`: the id that the person found. */
  external_id: z.string().optional(),
  /** When the person looked. With more of them `there` and `absent` are about an earlier sending, and do not count. */
  attempt_count: z.int().optional(),
})

export type DeliveryRequest = Readonly<z.infer<typeof requestSchema>>
export type StoredRequest = DeliveryRequest & { readonly revision: number }

export interface DeliveryRequests {
  list(): Promise<readonly StoredRequest[]>
  /** Takes it off, unless another has taken its place. */
  done(request: StoredRequest): Promise<void>
  /** Calls back when there may be new ones; answers the function that ends that. */
  watch(onChange: () => void): () => void
}

const keyOf = (request: Pick<DeliveryRequest, 'connection' | 'delivery_id' | 'act'>): string => {
  const own = isSettlement(request) ? '_settle' : request.act === 'reread' ? '_reread' : ''
  return `asked.${request.connection}.${request.delivery_id}${own}`
}
const rewatchMs = 1_000

/** False, and nothing is asked: another settlement of the same delivery is yet to be done. */
export async function requestDelivery(kv: KV, request: DeliveryRequest): Promise<boolean> {
  const [key, text] = [keyOf(request), JSON.stringify(request)]
  if (!isSettlement(request)) {
    await kv.put(key, text)
    return true
  }
  return writeOver(kv, key, text, 0)
}

/** Somebody's word on an unclear delivery. */
export function isSettlement({ act }: Pick<DeliveryRequest, 'act'>): boolean {
  return act === 'there' || act === 'absent'
}

export function requestsOf(kv: KV, connection: string): DeliveryRequests {
  const filter = `asked.${connection}.*`
  return {
    async list() {
      const found: StoredRequest[] = []
      for await (const key of await kv.keys(filter)) {
        const entry = await kv.get(key)
        if (entry === null || entry.operation !== 'PUT') continue
        const parsed = requestSchema.safeParse(entry.json())
        if (parsed.success) found.push({ ...parsed.data, revision: entry.revision })
      }
      return found
    },
    async done(request) {
      try {
        await kv.purge(keyOf(request), { previousSeq: request.revision })
      } catch (error) {
        if (!isWrongRevision(error)) throw error
      }
    },
    watch(onChange) {
      const ending = new AbortController()
      void watchFilter(kv, filter, onChange, ending.signal)
      return () => ending.abort()
    },
  }
}

/** A watch that was interrupted begins again, and what is there then is told first. */
async function watchFilter(kv: KV, filter: string, onChange: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const changes = await kv.watch({ key: filter, ignoreDeletes: true })
      const stop = (): void => changes.stop()
      signal.addEventListener('abort', stop, { once: true })
      if (signal.aborted) stop()
      for await (const _ of changes) onChange()
      signal.removeEventListener('abort', stop)
    } catch {
      // The broker is away: the loop of the connection tells that, and this is tried again.
    }
    await pauseFor(rewatchMs, signal)
  }
}
