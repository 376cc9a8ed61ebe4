// The suite that every connector must pass, on its fake receiver (conformance-rig.ts).
//
// Each receiver names the faults that it can simulate. The claims are the same for all: every record takes
// effect once, under every fault; no record is lost; a refused record is set aside alone.

import { describe, expect, test } from 'vitest'
import { factsOf } from '../../pipeline/reconcile/our-records.js'
import { ReceiverComparison } from '../../pipeline/reconcile/receiver-comparison.js'
import { readBatchLine } from '../batch-line-record.js'
import type { ConnectorRecord } from '../connector.js'
import { type ConformanceSubject, Rig } from './conformance-rig.js'
import { codeOfRefusal, type Fault, isRefusal } from './fault.js'
import { summaryRecord } from './journal-record.js'

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
    if (state === 'sending') expect(['waiting', 'sending']).toContain(before) // twice with a receipt
    if (before === 'unclear') expect(attempts.at(-1)?.outcome).toMatch(/^found_/)
    if (before === 'posted') expect.fail(`${id} went on from posted to ${state}`)
    last.set(id, state)
  }
}

function accountingDateOf(record: ConnectorRecord): string {
  const date = record.document['accounting_date']
  if (typeof date === 'string') return date
  const line = readBatchLine(record)
  return line.kind === 'ok' ? line.date : expect.fail(line.detail)
}

interface Suite {
  readonly subject: ConformanceSubject
  has(fault: Fault): boolean
  /** Runs a claim on a receiver of its own. */
  withRig(work: (rig: Rig) => Promise<void>, count?: number): Promise<void>
}

export function conformanceOf(subject: ConformanceSubject): void {
  const suite: Suite = {
    subject,
    has: fault => subject.faults.includes(fault),
    withRig: (work, count) => withRig(subject, work, count),
  }
  describe(`${subject.name} obeys the port`, () => {
    claimEachOnce(suite)
    claimSummaries(suite)
    claimComparison(suite)
    claimTrouble(suite)
    claimRefusals(suite)
    claimRestarts(suite)
  })
}

async function withRig(
  subject: ConformanceSubject,
  work: (rig: Rig) => Promise<void>,
  count?: number,
): Promise<void> {
  const rig = await Rig.start(subject, count)
  try {
    await work(rig)
    expectLawfulSteps(rig)
    const kept = JSON.stringify([rig.steps, [...rig.shelf.values()]])
    for (const secret of subject.secrets ?? []) expect(kept).not.toContain(secret)
  } finally {
    await rig.receiver.close()
  }
}

function claimEachOnce({ subject, withRig }: Suite): void {
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
        const connector = await rig.receiver.connector()
        const placed = await connector.place?.(record!)
        const sent = { ...record!, ...(placed?.kind === 'placed' ? { place: placed.place } : {}) }
        const found = await connector.find(sent, signal)
        if (found.kind !== 'there')
          expect((await connector.put([sent], signal))[0]?.kind).toMatch(/^(accepted|written)$/)
      }
      expect((await rig.receiver.effects()).filter(key => key === record!.key)).toHaveLength(1)
    }))

  for (const fault of subject.faults.filter(one => !isRefusal(one))) {
    test(`after ${fault} every record is there once`, () =>
      withRig(async rig => {
        rig.receiver.fail(fault)
        expect(await rig.run()).toBe(true)
        await expectEachOnce(rig)
      }))
  }

  test('what it lists as its documents of ours is what is there, once each', () =>
    withRig(async rig => {
      await rig.run()
      const connector = await rig.receiver.connector()
      if (connector.documents === undefined) return
      const dates = rig.records.map(accountingDateOf).sort()
      const range = { from: dates[0]!, until: dates.at(-1)! }
      const listed: string[] = []
      for await (const one of connector.documents(range, new AbortController().signal)) {
        expect(one.externalId).not.toBe('')
        listed.push(one.key)
      }
      expect(listed.sort()).toEqual(rig.records.map(({ key }) => key).sort())
    }))
}

/** Of ledgers, which list what they have: nothing in a summary is of one charge. */
function claimSummaries({ subject, withRig }: Suite): void {
  test.runIf(subject.recordOf(0).kind === 'journal')(
    'a summary of many entries takes effect, is found and is listed',
    () =>
      withRig(async rig => {
        const signal = new AbortController().signal
        const connector = await rig.receiver.connector()
        if (connector.documents === undefined) return
        const summary = summaryRecord(7)
        const [outcome] = await connector.put([summary], signal)
        expect(outcome?.kind).toMatch(/^(accepted|written)$/)
        expect(await connector.find(summary, signal)).toMatchObject({ kind: 'there' })
        expect(await rig.receiver.effects()).toEqual([summary.key])
        const date = accountingDateOf(summary)
        for await (const one of connector.documents({ from: date, until: date }, signal))
          expect(one.key).toBe(summary.key)
      }),
  )
}

/** What somebody does there by hand, and a record that is left as it was. */
function claimComparison({ withRig }: Suite): void {
  test('a document deleted there is missing, one made by hand is extra, a changed amount is different, all by account and day', () =>
    withRig(async rig => {
      await rig.run()
      const connector = await rig.receiver.connector()
      const kept = rig.receiver.kept?.()
      if (connector.documents === undefined || kept === undefined) return
      const comparison = new ReceiverComparison(connector.accountsOf !== undefined)
      const states = rig.states()
      for (const record of rig.records) {
        const { delivery_id: deliveryId, state, external_id: externalId = '' } = states.get(record.key)!
        const facts = await factsOf(record, connector)
        const { key, kind, id } = record
        comparison.ours({ key, kind, id, deliveryId, ...facts, state, code: '', externalId })
      }
      const [gone, changed] = rig.records
      kept.copy(changed!.key, value => value.replaceAll(changed!.key, byHand))
      kept.remove(gone!.key)
      kept.alter(changed!.key, amountRaised)
      const dates = rig.records.map(accountingDateOf).sort()
      const range = { from: dates[0]!, until: dates.at(-1)! }
      let told: 'amount' | 'quantity' | undefined
      for await (const one of connector.documents(range, new AbortController().signal)) {
        comparison.theirs(one)
        told ??= one.debit === undefined ? (one.quantity === undefined ? undefined : 'quantity') : 'amount'
      }
      const { faults, totals, days, agreeing } = comparison.result()
      expect(faults.map(({ fault, field, key }) => [fault, field ?? '', key]).sort()).toEqual(
        [
          ['extra', '', byHand],
          ['missing', '', gone!.key],
          ...(told === undefined ? [] : [['different', told, changed!.key]]),
        ].sort(),
      )
      const isTold = totals.every(({ untold }) => untold === 0)
      expect(agreeing).toBe(rig.records.length - (told === undefined ? 1 : 2))
      if (isTold) expect(days.filter(({ ours, theirs }) => ours !== theirs)).not.toEqual([])
      if (connector.accountsOf !== undefined) expect(days.every(({ account }) => account !== '')).toBe(true)
    }))
}

/** A key of ours that we never gave. */
const byHand = 'je_9999'

/** Of the second record, in the form of any receiver: 2.25, -2.25, 225; the quantity 20. */
function amountRaised(value: string): string {
  return value
    .replace(/^(-?)2\.25(0*)$/, '$12.26$2')
    .replace(/^225$/, '226')
    .replace(/^20$/, '21')
}

function claimTrouble({ subject, has, withRig }: Suite): void {
  const { outageHours = 1 } = subject
  test.runIf(has('timeout_after_commit'))(
    'a time-out on every second request loses and doubles nothing',
    () =>
      withRig(async rig => {
        rig.receiver.fail(
          'timeout_after_commit',
          'timeout_before_commit',
          'timeout_after_commit',
          'timeout_after_commit',
        )
        await rig.run()
        await expectEachOnce(rig)
      }, 12),
  )

  test.runIf(has('429_with_retry_after'))('the receiver is left alone for as long as it asks', () =>
    withRig(async rig => {
      rig.receiver.fail('429_with_retry_after')
      await rig.run()
      // Which request comes first is the network's choice.
      const first = [...rig.states().values()].find(one => one.attempts[0]?.outcome === 'throttled')
      const [refused, taken] = first!.attempts
      expect(refused?.outcome).toBe('throttled')
      expect(Date.parse(taken!.at) - Date.parse(refused!.at)).toBeGreaterThanOrEqual(60_000)
    }),
  )

  test.runIf(has('credentials_refused'))('lost credentials stop the connection and refuse nothing', () =>
    withRig(async rig => {
      rig.receiver.fail(...Array<Fault>(2_000).fill('credentials_refused'))
      await rig.run(600_000)
      expect(rig.shelf.size).toBe(0)
      expect(new Set([...rig.states().values()].map(({ state }) => state))).toEqual(new Set(['waiting']))
      rig.receiver.heal()
      await rig.run()
      await expectEachOnce(rig)
    }),
  )

  test.runIf(has('outage'))(
    `${outageHours} hours of outage: little is tried, little is written, nothing is lost`,
    () =>
      withRig(async rig => {
        rig.receiver.fail(...Array<Fault>(5_000).fill('outage'))
        await rig.run(outageHours * 3_600_000)
        expect(rig.steps.length).toBeLessThan(150 + 60 * outageHours)
        rig.receiver.heal()
        await rig.run()
        await expectEachOnce(rig)
        for (const { attempts } of rig.states().values()) expect(attempts.length).toBeLessThan(10)
      }),
  )
}

function claimRefusals({ subject, withRig }: Suite): void {
  for (const fault of subject.faults.filter(isRefusal)) {
    test(`${fault} refuses the record alone, as ${codeOfRefusal[fault]}, and it goes once that is mended`, () =>
      withRig(async rig => {
        rig.receiver.fail(fault)
        await rig.run()
        const refused = [...rig.shelf.values()]
        expect(refused.map(({ code }) => code)).toEqual([codeOfRefusal[fault]])
        expect(refused[0]!.detail.length).toBeGreaterThan(10) // the receiver's words
        expect(await rig.receiver.effects()).toHaveLength(rig.records.length - 1)
        expect(await rig.run()).toBe(true)
        await expectEachOnce(rig)
      }))
  }

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
      const step = strideOf(subject)
      const first = 1 + Math.floor(Math.random() * step)
      for (let crashAt = first, crashed = true; crashed; crashAt += step) {
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
}

/**
 * The loop is the same for every connector, and the suite's own ledger is restarted between all its steps. Of a connector's
 * steps a run of the suite takes one in so many, from another on in each run; WEIR_EVERY_STEP=1 takes them all.
 */
function strideOf({ restartStride = 6 }: ConformanceSubject): number {
  return process.env['WEIR_EVERY_STEP'] === '1' ? 1 : restartStride
}

function claimRestarts({ subject, has, withRig }: Suite): void {
  test.runIf(has('timeout_after_commit'))(
    'what may be there is found, and not sent again, although the mapping has lost all that it said of it',
    () =>
      withRig(async rig => {
        rig.receiver.fail('timeout_after_commit')
        rig.isFindSilent = true
        await rig.run(1_000)
        expect([...rig.states().values()].map(({ state }) => state)).toEqual(['unclear'])
        rig.isFindSilent = false
        rig.mapping = '{}'
        expect(await rig.run()).toBe(true)
        await expectEachOnce(rig)
      }, 1),
  )

  test('a restart between any two steps, with and without trouble on the way, changes nothing', async () => {
    // With trouble on the way there are all the steps of a run without it, which is therefore sampled more thinly.
    const troubles = has('timeout_after_commit') ? (['timeout_after_commit'] as const) : []
    for (const [faults, step] of [
      [[], strideOf(subject) * (troubles.length === 0 ? 1 : 2)],
      ...(troubles.length === 0 ? [] : [[troubles, strideOf(subject)] as const]),
    ] as const) {
      const first = 1 + Math.floor(Math.random() * step)
      for (let crashAt = first, crashed = true; crashed; crashAt += step) {
        await withRig(async rig => {
          rig.receiver.fail(...faults)
          rig.crashAt = crashAt
          crashed = !(await rig.run())
          if (crashed) expect([crashAt, await rig.run()]).toEqual([crashAt, true])
          await expectEachOnce(rig)
        }, 2)
        expect(crashAt).toBeLessThan(200)
      }
    }
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
