// Sessions of the HTTP interface: a connection that outlives its request, with its temporary tables, its current
// database and what was SET on it.
//
// Invariants:
// 1. A session belongs to one user, and one request uses it at a time; a second one is refused (373).
// 2. Sessions are bounded in number, and one that nobody uses is closed when its time is over.

import { setTimeout as sleep } from 'node:timers/promises'
import { type Role, roles } from './access.js'
import type { Connection, Engine } from './engine.js'
import { exceptions } from './exception.js'
import type { SessionParameters } from './parameters.js'

/** Of each user. */
const maxSessions = 64

interface Kept {
  readonly connection: Connection
  isBusy: boolean
  timer: NodeJS.Timeout | undefined
}

/** The end of an answer reaches its client before the request has left the session, so the next request waits as long. */
const lastStepsMs = 200

export class Sessions {
  private readonly engine: Engine
  private readonly kept: Readonly<Record<Role, Map<string, Kept>>> = { weir: new Map(), analyst: new Map() }

  private readonly opening: Readonly<Record<Role, string>>

  /** `opening`: the statements that a connection begins with. */
  constructor(engine: Engine, opening: Readonly<Record<Role, string>>) {
    this.engine = engine
    this.opening = opening
  }

  /** Runs the request in its session, which nobody else uses meanwhile. */
  async within<T>(
    role: Role,
    wanted: SessionParameters,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const sessions = this.kept[role]
    const deadline = performance.now() + lastStepsMs
    while (sessions.get(wanted.id)?.isBusy && performance.now() < deadline) await sleep(2)
    const known = sessions.get(wanted.id)
    if (known?.isBusy) throw exceptions.sessionIsLocked(wanted.id) // invariant 1
    if (known === undefined && wanted.mustExist) throw exceptions.sessionNotFound(wanted.id)
    if (known === undefined && sessions.size >= maxSessions) throw exceptions.tooManySessions(maxSessions)
    const session: Kept = known ?? { connection: this.engine.open(), isBusy: true, timer: undefined }
    session.isBusy = true
    clearTimeout(session.timer)
    sessions.set(wanted.id, session)
    try {
      if (known === undefined) await this.begin(role, session.connection)
      return await work(session.connection)
    } finally {
      session.isBusy = false
      const end = () => this.end(role, wanted.id)
      if (wanted.close) end()
      else session.timer = setTimeout(end, wanted.timeoutMs).unref() // invariant 2
    }
  }

  /** To be called when no request is running. */
  close(): void {
    for (const role of roles) for (const id of this.kept[role].keys()) this.end(role, id)
  }

  private async begin(role: Role, connection: Connection): Promise<void> {
    const readonly = role === 'analyst' ? 'SET readonly = 2; ' : ''
    await this.engine.read({ role, connection, prelude: '' }, this.opening[role] + readonly, 'Null')
  }

  private end(role: Role, id: string): void {
    const session = this.kept[role].get(id)
    if (session === undefined || session.isBusy) return
    clearTimeout(session.timer)
    this.kept[role].delete(id)
    this.engine.release(session.connection)
  }
}
