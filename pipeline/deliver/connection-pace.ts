// How fast a connection goes on: after trouble with its receiver as a whole it waits, longer each time, or as long as the
// receiver has asked for; and what that trouble is.

import type { PutOutcome } from '../../sinks/connector.js'
import type { SinkTrouble } from '../../sinks/sink.js'
import { backOffMs } from '../broker/back-off.js'
import type { ConnectionLimits } from './connection-limits.js'
import type { Clock } from './connection-options.js'

interface PaceOptions {
  readonly clock: Clock
  readonly limits: ConnectionLimits
  readonly random: () => number
  readonly onTrouble: ((trouble: SinkTrouble) => void) | undefined
}

interface Reason {
  readonly code: string
  readonly detail: string
}

export class ConnectionPace {
  /** Nothing is asked of the receiver before; epoch milliseconds. */
  pausedUntilMs = 0
  /** When the receiver last answered about a record, whatever it said. */
  answeredAtMs = Number.NEGATIVE_INFINITY
  #failures = 0
  #trouble: SinkTrouble | undefined
  readonly #options: PaceOptions

  constructor(options: PaceOptions) {
    this.#options = options
  }

  get trouble(): SinkTrouble | undefined {
    return this.#trouble
  }

  get isTroubled(): boolean {
    return this.#failures > 0
  }

  /** Decides from one page's outcomes whether the whole connection waits before the next page. */
  after(outcomes: readonly PutOutcome[]): void {
    const nowMs = this.#options.clock.nowMs()
    if (outcomes.some(({ kind }) => kind === 'accepted' || kind === 'written' || kind === 'refused'))
      this.answeredAtMs = nowMs
    const stopped = outcomes.find(one => one.kind === 'stopped')
    const trouble = stopped ?? outcomes.find(one => one.kind === 'throttled' || one.kind === 'unclear')
    if (trouble === undefined) {
      this.#failures = 0
      this.#trouble = undefined
      return
    }
    const waits = outcomes.flatMap(one =>
      one.kind === 'throttled' && one.retryAfterMs !== undefined ? [one.retryAfterMs] : [],
    )
    this.hold(trouble, stopped !== undefined, waits.length === 0 ? undefined : Math.max(...waits))
  }

  hold({ code, detail }: Reason, isStopped: boolean, askedMs?: number): void {
    const { clock, limits, random } = this.#options
    const nowMs = clock.nowMs()
    this.#failures += 1
    const waitMs = isStopped ? limits.stoppedMs : (askedMs ?? backOffMs(this.#failures, limits, random()))
    this.pausedUntilMs = nowMs + waitMs
    this.#tell({ code, detail, isStopped, attempts: this.#failures, atMs: nowMs })
  }

  /** A call has not answered in its time, and is waited for. */
  silent({ code, detail }: Reason): void {
    const atMs = this.#options.clock.nowMs()
    this.#tell({ code, detail, isStopped: true, attempts: this.#failures + 1, atMs })
  }

  #tell(trouble: SinkTrouble): void {
    this.#trouble = trouble
    this.#options.onTrouble?.(trouble)
  }
}
