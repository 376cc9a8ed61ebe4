// The statements that run now: their ids, and how one of them is stopped before its end.
//
// The engine gives every statement an id of its own. The client's id travels with the statement as the value of a
// setting that has no effect here, so that the engine's list of processes shows it (processes.ts) and KILL finds it.
//
// Invariant: one id is used by one running statement.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Role } from './access.js'
import type { Engine } from './engine.js'
import { exceptions } from './exception.js'

/** How long a statement may take to notice that it is stopped, before it is told again. */
const firstReminderMs = 20
const lastReminderMs = 500

/** The label of a statement. Roles have no spaces in their names. */
export function tagOf(role: Role, queryId: string): string {
  return `${role} ${queryId}`
}

export class RunningStatement {
  readonly role: Role
  readonly queryId: string
  /** Aborted when it is stopped: it must not begin any more. */
  readonly signal: AbortSignal
  private readonly engine: Engine
  private readonly stopping = new AbortController()
  private readonly onEnd: () => void
  private readonly ended: Promise<void>
  private hasEnded = false

  constructor(engine: Engine, role: Role, queryId: string, onEnd: () => void) {
    let settle = (): void => {}
    this.ended = new Promise(resolve => {
      settle = resolve
    })
    this.onEnd = () => {
      settle()
      onEnd()
    }
    this.engine = engine
    this.role = role
    this.queryId = queryId
    this.signal = this.stopping.signal
  }

  get tag(): string {
    return tagOf(this.role, this.queryId)
  }

  /**
   * Resolves when it has ended. The engine is told more than once, because a request is more than one statement
   * for the engine, and the one that runs just now may be another than the one that counts.
   */
  async stop(): Promise<void> {
    this.stopping.abort()
    for (let pauseMs = firstReminderMs; !this.hasEnded; pauseMs = Math.min(2 * pauseMs, lastReminderMs)) {
      await this.engine.kill(this.tag)
      await Promise.race([this.ended, sleep(pauseMs)])
    }
  }

  end(): void {
    this.hasEnded = true
    this.onEnd()
  }
}

export class RunningStatements {
  private readonly engine: Engine
  private readonly byId = new Map<string, RunningStatement>()

  constructor(engine: Engine) {
    this.engine = engine
  }

  /** `replaceWithinMs`: a running statement of the same user with this id is stopped first, within so many milliseconds. */
  async begin(role: Role, queryId: string, replaceWithinMs: number | null): Promise<RunningStatement> {
    const other = this.byId.get(queryId)
    if (other !== undefined && replaceWithinMs !== null && other.role === role)
      await Promise.race([other.stop(), sleep(replaceWithinMs, undefined, { ref: false })])
    if (this.byId.has(queryId)) throw exceptions.sameIdRuns(queryId)
    const statement = new RunningStatement(this.engine, role, queryId, () => this.byId.delete(queryId))
    this.byId.set(queryId, statement)
    return statement
  }

  find(queryId: string): RunningStatement | undefined {
    return this.byId.get(queryId)
  }
}
