// The places of one source in which bodies are read before anybody knows who sends them. A sender that is slow keeps its place only
// as long as nobody else needs it.
// Invariants:
// 1. At most `most` bodies are read or kept at once.
// 2. When all places are taken, who comes gets that of the oldest body of the address that has most of them, if that address has
//    more than its part or the body has had its time. So slow strangers keep nobody out for longer than that.
// 3. A body that was read whole keeps its place until it is on disk.

import { isIPv6 } from 'node:net'
import { Problem } from '../../gateway/problem.js'

export interface Place {
  /** Aborted with a problem when another needs the place. */
  readonly taken: AbortSignal
  /** The body is there: nobody takes the place any more. */
  isRead(): void
  leave(): void
}

interface Held {
  readonly address: string
  readonly sinceMs: number
  readonly taking: AbortController
  isReading: boolean
}

/** How long a body may be read in peace: far more than an honest sender takes. */
const undisturbedMs = 1_000
const retrySeconds = 5

export class ReadingPlaces {
  readonly #most: number
  readonly #nowMs: () => number
  /** The oldest first. */
  readonly #held = new Set<Held>()

  constructor(most: number, nowMs: () => number) {
    this.#most = most
    this.#nowMs = nowMs
  }

  /** Undefined: there is none. `address`: of the peer. */
  take(address: string): Place | undefined {
    const from = neighbours(address)
    if (this.#held.size >= this.#most && !this.#makeRoom(from)) return undefined
    const taking = new AbortController()
    const held: Held = { address: from, sinceMs: this.#nowMs(), taking, isReading: true }
    this.#held.add(held)
    return {
      taken: taking.signal,
      isRead() {
        held.isReading = false
      },
      leave: () => void this.#held.delete(held),
    }
  }

  #makeRoom(address: string): boolean {
    const byAddress = new Map<string, Held[]>()
    for (const held of this.#held)
      if (held.isReading) byAddress.set(held.address, [...(byAddress.get(held.address) ?? []), held])
    let most: readonly Held[] = []
    for (const all of byAddress.values()) if (all.length > most.length) most = all
    const [oldest] = most
    if (oldest === undefined) return false
    const isFair = most.length > (byAddress.get(address)?.length ?? 0) + 1
    if (!isFair && this.#nowMs() - oldest.sinceMs < undisturbedMs) return false
    this.#held.delete(oldest)
    oldest.taking.abort(
      new Problem('too_many_arrivals', 'Others wait, and the body did not come in time.', {
        headers: { 'retry-after': String(retrySeconds), connection: 'close' },
      }),
    )
    return true
  }
}

/** Who has one address of IPv6 has all of its network. */
function neighbours(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped !== null) return mapped[1]!
  if (!isIPv6(address)) return address
  const [front = '', back] = address.toLowerCase().split('::')
  const first = front === '' ? [] : front.split(':')
  const last = back === undefined || back === '' ? [] : back.split(':')
  const all = [...first, ...Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0'), ...last]
  return all.slice(0, 4).join(':')
}
