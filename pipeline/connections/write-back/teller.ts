// Looks every now and then how customers and exceptions stand, and tells on the stream WRITE_BACK what has changed since it was
// told: from there connections write it back. Works only where a connection wants it.
// Invariants:
// 1. Of what changes several times within a round one message is written.
// 2. What connections that write back were refused is in no standing and makes no case: else each refusal would make another.

import type { ClickHouseClient } from '@clickhouse/client'
import type { Logger } from 'pino'
import { customerOfSubject, customerToken, entityToken } from '../../../schemas/identifiers.js'
import { formatInstantMs } from '../../../schemas/time.js'
import { customerStandings } from '../../../sinks/clickhouse/customer-standings.js'
import { caseSchema } from '../../../sinks/write-back/case-record.js'
import { pauseFor } from '../../broker/back-off.js'
import { natsSubjects } from '../../broker/topology.js'
import type { OpenExceptions, ToldException, WantedExceptions } from '../../feature/open-exceptions.js'
import { caseOf, goneCase } from './cases.js'
import { fingerprintOf, standingsOf } from './standings.js'
import type { Told } from './told.js'

export interface TellerOptions {
  readonly told: Told
  readonly queries: ClickHouseClient
  readonly exceptions: OpenExceptions
  /** Of connections that are told of customers; false: nobody is. */
  readonly tellsStandings: boolean
  /** Of each connection that is told of exceptions. */
  readonly wanted: readonly WantedExceptions[]
  /** The names of the connections that write back. */
  readonly connections: readonly string[]
  readonly everyMs: number
  readonly nowMs: () => number
  readonly log: Logger
}

/** Cases that one round begins. */
const casesAtOnce = 1_000
const settledFingerprint = 'settled'
const casePrefix = natsSubjects.supportCase('')

export class WriteBackTeller {
  readonly #options: TellerOptions
  readonly #ending = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(options: TellerOptions) {
    this.#options = options
  }

  start(): void {
    this.#running = this.#run()
  }

  async drain(): Promise<void> {
    this.#ending.abort()
    await this.#running
  }

  /** One look at everything; answers how much was told. */
  async round(): Promise<number> {
    const { told, tellsStandings, wanted } = this.#options
    await told.read(this.#ending.signal)
    const standings = tellsStandings ? await this.#standings() : 0
    return standings + (wanted.length === 0 ? 0 : await this.#cases())
  }

  async #standings(): Promise<number> {
    const { told, queries, exceptions, connections, nowMs } = this.#options
    // Looked at before the time is taken, so that nothing is told as newer than it is.
    const atMs = nowMs()
    const [rows, open] = await Promise.all([customerStandings(queries), exceptions.byCustomer(connections)])
    let count = 0
    for (const standing of standingsOf(rows, open, this.#customersTold(), atMs)) {
      if (this.#ending.signal.aborted) break
      const subject = natsSubjects.standing(
        entityToken(standing.entity_id),
        customerToken(standing.customer_id),
      )
      const fingerprint = fingerprintOf(standing)
      if (told.get(subject)?.fingerprint === fingerprint) continue
      if (await told.tell(subject, fingerprint, standing)) count += 1
    }
    return count
  }

  async #cases(): Promise<number> {
    const { told, exceptions, wanted, connections } = this.#options
    const open = (await Promise.all(wanted.map(one => exceptions.open(one, casesAtOnce)))).flat()
    const foreign = open.filter(one => !connections.includes(one.receiver)) // invariant 2
    const openIds = new Set(open.map(one => one.exceptionId))
    const settled = [...told.below(casePrefix)]
      .filter(([, { fingerprint }]) => fingerprint !== settledFingerprint)
      .map(([subject]) => subject.slice(casePrefix.length))
      .filter(id => !openIds.has(id))
    const known = new Map((await exceptions.named(settled)).map(one => [one.exceptionId, one]))
    let count = 0
    for (const one of foreign) if (await this.#tellCase(one.exceptionId, one)) count += 1
    for (const id of settled)
      if (known.get(id)?.state !== 'open' && (await this.#tellCase(id, known.get(id)))) count += 1
    return count
  }

  /** `now` absent: it is not there any more, as a record that its feed has taken after all. */
  async #tellCase(id: string, now: ToldException | undefined): Promise<boolean> {
    const { told, nowMs } = this.#options
    if (this.#ending.signal.aborted) return false
    const subject = natsSubjects.supportCase(id)
    const before = told.get(subject)
    const fingerprint = now?.state === 'open' ? 'open' : settledFingerprint
    if (before?.fingerprint === fingerprint) return false
    const number = (before?.number ?? 0) + 1
    const asOf = formatInstantMs(nowMs())
    if (now !== undefined) return told.tell(subject, fingerprint, caseOf(now, number, asOf))
    const last = caseSchema.safeParse(await told.document(subject))
    return last.success && told.tell(subject, fingerprint, goneCase(last.data, number, asOf))
  }

  #customersTold(): readonly string[] {
    const subjects = [...this.#options.told.below(natsSubjects.standing('', '').slice(0, -1))]
    return subjects.map(([subject]) => customerOfSubject(subject.split('.').at(-1) ?? ''))
  }

  async #run(): Promise<void> {
    const { log, everyMs } = this.#options
    const { signal } = this.#ending
    for (;;) {
      await pauseFor(everyMs, signal)
      if (signal.aborted) return
      try {
        await this.round()
      } catch (error) {
        if (!signal.aborted)
          log.warn({ err: error }, 'what is written back could not be looked up; it is tried again')
      }
    }
  }
}
