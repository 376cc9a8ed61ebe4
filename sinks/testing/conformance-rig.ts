// What the conformance suite runs a connector in: the real loop of a connection over a log, exceptions and a clock in
// memory, whose process can crash between any two of its awaits.

import { ConnectionLoop } from '../../pipeline/deliver/connection-loop.js'
import type { Clock } from '../../pipeline/deliver/connection-options.js'
import type { DeliveryLog, StepBody, StoredStep } from '../../pipeline/deliver/delivery-log.js'
import { freeGate } from '../../pipeline/deliver/testing/flow-gates.js'
import { type Delivery, isSettled } from '../../schemas/billing/delivery.js'
import type { Connector, ConnectorRecord } from '../connector.js'
import type { FeedMessage, RefusedRecord } from '../sink.js'
import type { Documents } from './documents.js'
import type { Fault } from './fault.js'

export interface Receiver {
  /** Makes a new connector, as after a restart of the process; with another text of the mapping file, if one is given. */
  connector(given?: { readonly mapping?: string }): Connector | Promise<Connector>
  /** Gives the next requests these faults, one each. */
  fail(...faults: readonly Fault[]): void
  /** Makes the receiver refuse these records from now on, with these texts. */
  refuse(refuses: (record: ConnectorRecord) => string | undefined): void
  heal(): void
  /** Our key of every effect that the receiver shows: a key twice is a record twice. */
  effects(): Promise<readonly string[]>
  /** Its documents, for changes by hand there. */
  kept?(): Documents<unknown> | undefined
  close(): Promise<void>
}

export interface ConformanceSubject {
  readonly name: string
  start(nowMs: () => number): Promise<Receiver>
  /** The faults that it can be put into; the refusals among them set a record aside, the others lose nothing. */
  readonly faults: readonly Fault[]
  /** None of them may stand in what is kept of a delivery. */
  readonly secrets?: readonly string[]
  readonly recordOf: (n: number) => ConnectorRecord
  /** Whether the receiver can refuse the content of a record. */
  readonly refuses: boolean
  /** How long the longest outage is; default: 1. */
  readonly outageHours?: number
  /** Of the steps between which a process may end a run of the suite takes one in so many, by chance; default: 6. */
  readonly restartStride?: number
  /** Changes the connector on its way to the loop; for the canary. */
  readonly disguise?: (connector: Connector) => Connector
}

const dayMs = 86_400_000

class Crash extends Error {}

/** Time passes when somebody waits for it. */
class WaitedClock implements Clock {
  #nowMs = Date.UTC(2026, 10, 1)

  nowMs(): number {
    return this.#nowMs
  }

  async pause(ms: number, signal: AbortSignal): Promise<void> {
    await new Promise(resolve => setImmediate(resolve))
    if (!signal.aborted) this.#nowMs += ms
  }
}

/** State that a restart keeps: the log, the exceptions, the position of the feed, and the receiver. */
export class Rig {
  readonly clock = new WaitedClock()
  readonly steps: StoredStep[] = []
  readonly shelf = new Map<string, RefusedRecord>()
  readonly messages: FeedMessage[]
  readonly records: readonly ConnectorRecord[]
  receiver!: Receiver
  crashAt = Infinity
  /** The text of the mapping file from now on; undefined: the one that fits. */
  mapping: string | undefined
  /** True: no look-up tells anything, so what is unclear stays so. */
  isFindSilent = false
  calls = 0
  readonly #states = new Map<string, Delivery>()
  #position = 0
  #owner = 0
  readonly #subject: ConformanceSubject

  constructor(subject: ConformanceSubject, count: number) {
    this.#subject = subject
    this.records = Array.from({ length: count }, (_, n) => subject.recordOf(n))
    this.messages = this.records.map((record, n) => {
      const bytes = new TextEncoder().encode(JSON.stringify(record))
      return { sequence: n + 1, natsSubject: 'postings.default', bytes }
    })
  }

  static async start(subject: ConformanceSubject, count = 6): Promise<Rig> {
    const rig = new Rig(subject, count)
    rig.receiver = await subject.start(() => rig.clock.nowMs())
    return rig
  }

  /** Runs one process until everything is settled or `untilMs` has passed; false when it crashed. */
  async run(forMs = 30 * dayMs): Promise<boolean> {
    const life = { alive: true }
    const stopping = new AbortController()
    const given = this.mapping === undefined ? {} : { mapping: this.mapping }
    const connector = (this.#subject.disguise ?? (one => one))(await this.receiver.connector(given))
    if (this.isFindSilent)
      connector.find = async () => ({ kind: 'unknown_yet', code: 'no_answer', detail: 'silent' })
    const loop = new ConnectionLoop({
      connection: 'c',
      connector: this.#mortal(connector, life),
      log: this.#mortal(this.#log(), life),
      exceptions: this.#mortal(this.#exceptions(), life),
      clock: this.clock,
      gate: freeGate,
      recordsOf: ({ bytes }) => ({ records: [JSON.parse(new TextDecoder().decode(bytes))] }),
      random: () => 1,
    })
    const untilMs = this.clock.nowMs() + forMs
    const aborting = new AbortController().signal
    // Opening the log is a step, and what was set aside is taken up with another.
    const begun = this.steps.length + (this.shelf.size > 0 ? 1 : 0)
    const attended = loop.attend({ stopping: stopping.signal, aborting, isPaused: () => false })
    const crashed = attended.then(
      () => false,
      error => {
        if (!(error instanceof Crash)) throw error
        return true
      },
    )
    let isOver = false
    void crashed.catch(() => undefined).finally(() => (isOver = true))
    try {
      await this.#feed(loop, stopping.signal, () => isOver)
      while (!isOver && !(this.isSettled() && this.steps.length > begun) && this.clock.nowMs() < untilMs)
        await new Promise(resolve => setImmediate(resolve))
    } catch (error) {
      if (!(error instanceof Crash)) throw error
    }
    stopping.abort()
    return !(await crashed) && life.alive
  }

  async #feed(loop: ConnectionLoop, signal: AbortSignal, isOver: () => boolean): Promise<void> {
    const messages = this.messages.filter(({ sequence }) => sequence > this.#position)
    if (messages.length === 0) return
    const range = { stream: 'POSTINGS', from: 1, to: messages.length, token: 't', messages }
    const given = new AbortController()
    const poll = setInterval(() => isOver() && given.abort(), 1)
    const outcome = await loop.apply(range, AbortSignal.any([signal, given.signal]))
    clearInterval(poll)
    if (outcome.kind === 'ok') this.#position = messages.at(-1)!.sequence
  }

  states(): ReadonlyMap<string, Delivery> {
    return this.#states
  }

  isSettled(): boolean {
    const states = [...this.states().values()]
    return states.length === this.records.length && states.every(one => isSettled(one.state))
  }

  /** A process can crash at every call, before its effect or after it. It does nothing more after that. */
  #mortal<T extends object>(target: T, life: { alive: boolean }): T {
    const perhapsDie = (): void => {
      this.calls += 1
      if (this.calls === this.crashAt) life.alive = false
      if (!life.alive) throw new Crash()
    }
    return new Proxy(target, {
      get: (object, property) => {
        const member: unknown = Reflect.get(object, property)
        if (typeof member !== 'function') return member
        return async (...args: unknown[]) => {
          perhapsDie()
          const answer = await (member as (...given: unknown[]) => unknown).apply(object, args)
          perhapsDie()
          return answer
        }
      },
    })
  }

  #log(): DeliveryLog {
    let owner = 0
    const append = async (step: StepBody): Promise<number> => {
      if (owner !== this.#owner) throw new Error('fenced')
      const stored = { ...structuredClone(step), step: '', sequence: this.steps.length + 1 }
      this.steps.push(stored)
      for (const one of stored.changed) this.#states.set(one.key, one)
      return stored.sequence
    }
    return {
      open: async () => {
        owner = this.#owner += 1
        const last = this.steps.at(-1)
        const begin = last === undefined ? 0 : last.replay_from === 0 ? last.sequence : last.replay_from
        await append({ taken_up_to: last?.taken_up_to ?? 0, replay_from: begin, changed: [] })
        return this.steps.slice(Math.max(0, begin - 1))
      },
      append,
    }
  }

  #exceptions() {
    return {
      list: async () => [...this.shelf.values()],
      setAside: async (records: readonly RefusedRecord[]) => {
        for (const record of records) this.shelf.set(record.name, record)
      },
      markTaken: async () => true,
      takeBack: async ({ name }: RefusedRecord) => void this.shelf.delete(name),
    }
  }
}
