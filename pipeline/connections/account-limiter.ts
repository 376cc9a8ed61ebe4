// The rate of one account at a receiver, over all connections that name it and over all processes (account-line.ts): each request has
// a slot of its own, and a place among those under way.
// Invariants:
// 1. A request begins in its slot or a little later; a slot that was missed is lost, and the request takes the next one.
// 2. The broker is asked for many slots at once, and for places now and then, not for each request.
// 3. While the broker is away nothing begins.

import type { Limiter, Rate } from '../../sinks/http/limiter.js'
import type { Clock } from '../deliver/connection-options.js'
import { type AccountLine, shareMs } from './account-line.js'

/** Slots are reserved for so long at once. */
const reservedMs = 1_000
/** By so much of the time of the limit a request may begin late; the slots lie further apart by as much. */
const lateness = 0.05
/** How often a process that has requests under way says so, and one without a place asks for one. */
const beatMs = 2_000

export function accountLimiter(rate: Rate, line: AccountLine, clock: Clock): Limiter {
  return new AccountLimiter(rate, line, clock)
}

class AccountLimiter implements Limiter {
  readonly #line: AccountLine
  readonly #clock: Clock
  readonly #concurrent: number | undefined
  readonly #intervalMs: number
  readonly #lateMs: number
  #slots: number[] = []
  #places = 0
  #placesUntilMs = Number.NEGATIVE_INFINITY
  #inUse = 0
  #isBeating = false
  #left = new AbortController()
  #idle = new AbortController()
  #turns: Promise<unknown> = Promise.resolve()

  constructor(
    { per_second: perSecond, per_minute: perMinute, concurrent }: Rate,
    line: AccountLine,
    clock: Clock,
  ) {
    this.#line = line
    this.#clock = clock
    this.#concurrent = concurrent
    const bySecond = perSecond === undefined ? 0 : 1_000 / perSecond
    const byMinute = perMinute === undefined ? 0 : 60_000 / perMinute
    this.#intervalMs = Math.max(bySecond, byMinute) * (1 + lateness)
    this.#lateMs = lateness * (bySecond >= byMinute ? Math.max(1_000, bySecond) : 60_000)
  }

  enter(signal: AbortSignal): Promise<(() => void) | undefined> {
    const turn = this.#turns.then(() => this.#next(signal))
    this.#turns = turn.catch(() => undefined)
    return turn
  }

  async #next(signal: AbortSignal): Promise<(() => void) | undefined> {
    while (!signal.aborted) {
      const nowMs = this.#clock.nowMs()
      this.#slots = this.#slots.filter(atMs => atMs + this.#lateMs >= nowMs) // invariant 1
      const lacksSlots = this.#intervalMs > 0 && this.#slots.length === 0
      const lacksPlaces = this.#concurrent !== undefined && nowMs >= this.#placesUntilMs
      if (lacksSlots || lacksPlaces) {
        await this.#ask(lacksSlots, signal)
        continue
      }
      if (this.#concurrent !== undefined && this.#inUse >= this.#places) {
        await this.#untilLeft(signal)
        continue
      }
      const atMs = this.#slots[0]
      if (atMs !== undefined && atMs > nowMs) {
        await this.#clock.pause(Math.ceil(atMs - nowMs), signal)
        continue
      }
      this.#slots.shift()
      return this.#begin()
    }
    return undefined
  }

  #begin(): () => void {
    this.#inUse += 1
    if (this.#concurrent !== undefined) void this.#beat()
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#inUse -= 1
      this.#left.abort()
      if (this.#inUse === 0) this.#idle.abort()
    }
  }

  /** Waits for the end of a request, or until it is time to ask for places again. */
  async #untilLeft(signal: AbortSignal): Promise<void> {
    this.#left = new AbortController()
    await this.#clock.pause(beatMs / 2, AbortSignal.any([signal, this.#left.signal]))
    if (this.#inUse === 0) this.#placesUntilMs = Number.NEGATIVE_INFINITY // it had no place: it asks again
  }

  /** Says that this process has requests under way, for as long as it has. */
  async #beat(): Promise<void> {
    if (this.#isBeating) return
    this.#isBeating = true
    while (this.#inUse > 0) {
      this.#idle = new AbortController()
      await this.#clock.pause(beatMs, this.#idle.signal)
      if (this.#inUse > 0) await this.#ask(false, this.#idle.signal)
    }
    this.#isBeating = false
  }

  async #ask(wantsSlots: boolean, signal: AbortSignal): Promise<void> {
    const slots = wantsSlots ? Math.max(1, Math.floor(reservedMs / this.#intervalMs)) : 0
    const askedMs = this.#clock.nowMs()
    try {
      const { firstInMs, places } = await this.#line.ask({
        slots,
        intervalMs: this.#intervalMs,
        concurrent: this.#concurrent,
        inUse: this.#inUse,
      })
      const firstMs = this.#clock.nowMs() + firstInMs
      for (let n = 0; n < slots; n += 1) this.#slots.push(firstMs + n * this.#intervalMs)
      this.#places = places
      this.#placesUntilMs = askedMs + shareMs
    } catch {
      await this.#clock.pause(1_000, signal) // invariant 3
    }
  }
}
