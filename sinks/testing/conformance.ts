// The suite that every connector must pass. It runs the real loop of a connection over a log, exceptions and
// a clock in memory, so that a process can crash between any two of its awaits.
//
// Each receiver names the faults that it can simulate. The claims are the same for all: every record takes
// effect once, under every fault; no record is lost; a refused record is set aside alone.

import { describe, expect, test } from 'vitest'
import { ConnectionLoop } from '../../pipeline/deliver/connection-loop.js'
import type { Clock } from '../../pipeline/deliver/connection-options.js'
import type { DeliveryLog, StepBody, StoredStep } from '../../pipeline/deliver/delivery-log.js'
import { freeGate } from '../../pipeline/deliver/testing/flow-gates.js'
import { type Delivery, isSettled } from '../../schemas/billing/delivery.js'
import type { Connector, ConnectorRecord } from '../connector.js'
import type { FeedMessage, RefusedRecord } from '../sink.js'

/** The fault that one request meets. */
export type Fault =
  | 'timeout_before'
  /** The receiver takes the records, perhaps a little later, and its answer is lost. */
  | 'timeout_after'
  | 'throttled'
  | 'throttled_for_a_minute'
  | 'outage'
  | 'credentials_expired'

export interface Receiver {
  /** Makes a new connector, as after a restart of the process. */
  connector(): Connector
  /** Gives the next requests these faults, one each. */
  fail(...faults: readonly Fault[]): void
  /** Makes the receiver refuse these records from now on, with these texts. */
  refuse(refuses: (record: ConnectorRecord) => string | undefined): void
  heal(): void
  /** Our key of every effect that the receiver shows: a key twice is a record twice. */
  effects(): Promise<readonly string[]>
  close(): Promise<void>
}

export interface ConformanceSubject {
  readonly name: string
  start(nowMs: () => number): Promise<Receiver>
  readonly faults: readonly Fault[]
  readonly recordOf: (n: number) => ConnectorRecord
  /** Whether the receiver can refuse the content of a record. */
  readonly refuses: boolean
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
class Rig {
  readonly clock = new WaitedClock()
  readonly steps: StoredStep[] = []
  readonly shelf = new Map<string, RefusedRecord>()
  readonly messages: FeedMessage[]
  readonly records: readonly ConnectorRecord[]
  receiver!: Receiver
  crashAt = Infinity
  calls = 0
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
    const { connector: make } = this.receiver
    const connector = (this.#subject.disguise ?? (one => one))(make.call(this.receiver))
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
    const attended = loop.attend({ stopping: stopping.signal, aborting, isPaused: () => false })
    const crashed = attended.then(
      () => false,
      error => {
        if (!(error instanceof Crash)) throw error
        return true
      },
    )
    const begun = this.steps.length + (this.shelf.size > 0 ? 1 : 0) // what was set aside is taken up first
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
    return new Map(this.steps.flatMap(step => step.changed.map(one => [one.key, one] as const)))
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
      takeBack: async ({ name }: RefusedRecord) => void this.shelf.delete(name),
    }
  }
}

async function expectEachOnce(rig: Rig): Promise<void> {
  expect([...(await rig.receiver.effects())].sort()).toEqual(rig.records.map(({ key }) => key).sort())
  expect([...rig.states().values()].map(({ state }) => state)).toEqual(rig.records.map(() => 'posted'))
  expect(rig.shelf.size).toBe(0)
}

/** Asserts that no record leaves `posted`, and that none leaves `unclear` before it was looked up. */
function expectLawfulSteps(rig: Rig): void {
  const last = new Map<string, string>()
  for (const { delivery_id: id, state, attempts } of rig.steps.flatMap(step => step.changed)) {
    const before = last.get(id)
    if (state === 'sending') expect(['waiting']).toContain(before)
    if (before === 'unclear') expect(attempts.at(-1)?.outcome).toMatch(/^found_/)
    if (before === 'posted') expect.fail(`${id} went on from posted to ${state}`)
    last.set(id, state)
  }
}

export function conformanceOf(subject: ConformanceSubject): void {
  const has = (fault: Fault) => subject.faults.includes(fault)
  const withRig = async (work: (rig: Rig) => Promise<void>, count?: number): Promise<void> => {
    const rig = await Rig.start(subject, count)
    try {
      await work(rig)
      expectLawfulSteps(rig)
    } finally {
      await rig.receiver.close()
    }
  }

  describe(`${subject.name} obeys the port`, () => {
    test('every record takes effect once', () =>
      withRig(async rig => {
        expect(await rig.run()).toBe(true)
        await expectEachOnce(rig)
      }))

    test('the same record put twice, after it was looked up, is there once', () =>
      withRig(async rig => {
        const [record] = rig.records
        const { signal } = new AbortController()
        for (let time = 0; time < 2; time += 1) {
          const connector = rig.receiver.connector()
          const found = await connector.find(record!, signal)
          if (found.kind !== 'there')
            expect((await connector.put([record!], signal))[0]?.kind).toBe('accepted')
        }
        expect((await rig.receiver.effects()).filter(key => key === record!.key)).toHaveLength(1)
      }))

    for (const fault of subject.faults) {
      test(`after ${fault} every record is there once`, () =>
        withRig(async rig => {
          rig.receiver.fail(fault)
          expect(await rig.run()).toBe(true)
          await expectEachOnce(rig)
        }))
    }

    test.runIf(has('timeout_after'))('a time-out on every second request loses and doubles nothing', () =>
      withRig(async rig => {
        rig.receiver.fail('timeout_after', 'timeout_before', 'timeout_after', 'timeout_after')
        await rig.run()
        await expectEachOnce(rig)
      }, 12),
    )

    test.runIf(has('throttled_for_a_minute'))('the receiver is left alone for as long as it asks', () =>
      withRig(async rig => {
        rig.receiver.fail('throttled_for_a_minute')
        await rig.run()
        const [first] = rig.states().values()
        const [refused, taken] = first!.attempts
        expect(refused?.outcome).toBe('throttled')
        expect(Date.parse(taken!.at) - Date.parse(refused!.at)).toBeGreaterThanOrEqual(60_000)
      }),
    )

    test.runIf(has('credentials_expired'))('lost credentials stop the connection and refuse nothing', () =>
      withRig(async rig => {
        rig.receiver.fail(...Array<Fault>(20).fill('credentials_expired'))
        await rig.run(600_000)
        expect(rig.shelf.size).toBe(0)
        expect(new Set([...rig.states().values()].map(({ state }) => state))).toEqual(new Set(['waiting']))
        rig.receiver.heal()
        await rig.run()
        await expectEachOnce(rig)
      }),
    )

    test.runIf(has('outage'))('a day of outage: little is tried, little is written, nothing is lost', () =>
      withRig(async rig => {
        rig.receiver.fail(...Array<Fault>(5_000).fill('outage'))
        await rig.run(dayMs)
        expect(rig.steps.length).toBeLessThan(1_500)
        rig.receiver.heal()
        await rig.run()
        await expectEachOnce(rig)
        for (const { attempts } of rig.states().values()) expect(attempts.length).toBeLessThan(10)
      }),
    )

    test.runIf(subject.refuses)('half of a page refused: those are set aside, the others are there', () =>
      withRig(async rig => {
        const refused = rig.records.filter((_, n) => n % 2 === 0)
        rig.receiver.refuse(({ key }) =>
          refused.some(one => one.key === key) ? 'the period is closed' : undefined,
        )
        await rig.run()
        const there = rig.records.filter(record => !refused.includes(record))
        expect([...(await rig.receiver.effects())].sort()).toEqual(there.map(({ key }) => key).sort())
        expect([...rig.shelf.values()].map(({ detail }) => detail)).toEqual(
          refused.map(() => expect.stringContaining('the period is closed')),
        )
        rig.receiver.heal()
        expect(await rig.run()).toBe(true) // what was set aside is tried when the connection begins again
        await expectEachOnce(rig)
      }),
    )

    test.runIf(subject.refuses)(
      'a restart between any two steps of a refusal keeps it set aside, once',
      async () => {
        for (let crashAt = 1, crashed = true; crashed; crashAt += 1) {
          await withRig(async rig => {
            const [refused, ...others] = rig.records
            rig.receiver.refuse(({ key }) => (key === refused!.key ? 'the account is closed' : undefined))
            rig.crashAt = crashAt
            crashed = !(await rig.run())
            if (crashed) await rig.run()
            expect([...(await rig.receiver.effects())].sort()).toEqual(others.map(({ key }) => key).sort())
            expect(rig.shelf.size).toBe(1)
            expect(rig.states().get(refused!.key)?.state).toBe('refused')
          }, 2)
          expect(crashAt).toBeLessThan(200)
        }
      },
    )

    test('a restart between any two steps, with and without trouble on the way, changes nothing', async () => {
      const troubles: readonly Fault[][] = [[], has('timeout_after') ? ['timeout_after'] : []]
      for (const faults of troubles) {
        for (let crashAt = 1, crashed = true; crashed; crashAt += 1) {
          await withRig(async rig => {
            rig.receiver.fail(...faults)
            rig.crashAt = crashAt
            crashed = !(await rig.run())
            if (crashed) expect(await rig.run()).toBe(true)
            await expectEachOnce(rig)
          }, 3)
          expect(crashAt).toBeLessThan(200)
        }
      }
    })
  })
}

/** The keys that took effect more than once after this fault: what the suite's claims rest on. */
export async function doubledBy(subject: ConformanceSubject, fault: Fault): Promise<string[]> {
  const rig = await Rig.start(subject)
  try {
    rig.receiver.fail(fault)
    await rig.run()
    const effects = await rig.receiver.effects()
    return effects.filter((key, index) => effects.indexOf(key) !== index)
  } finally {
    await rig.receiver.close()
  }
}
