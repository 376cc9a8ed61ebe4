// A record of which the receiver says nothing becomes an exception after long, is never sent meanwhile, and is freed by itself.

import { expect, test } from 'vitest'
import type { ConnectorRecord, FindOutcome, PutOutcome } from '../../sinks/connector.js'
import { nextStep } from '../exceptions/exception-view.js'
import { reopenedDelivery } from './refused-deliveries.js'
import { accepted, journalRecord, LoopRig, unclear } from './testing/loop-rig.js'

const hourMs = 3_600_000
/** What is a day by default: shorter, so that the test is. */
const limits = { failingMs: hourMs }
const nothing: FindOutcome = { kind: 'unknown_yet', code: 'no_answer', detail: 'HTTP 500: oops' }

/** A connection whose receiver says nothing of one record. */
class LostRig {
  found: FindOutcome = nothing
  others: PutOutcome = accepted
  readonly asked: ConnectorRecord[] = []
  readonly rig = new LoopRig({
    put: ({ id }) => (id === 'lost' && this.sendings === 1 ? unclear : this.others),
    find: record => {
      if (record.id !== 'lost') return { kind: 'absent' }
      this.asked.push(record)
      return this.found
    },
  })

  get sendings(): number {
    return this.rig.sent.filter(({ id }) => id === 'lost').length
  }

  async isSetAside(): Promise<void> {
    this.rig.start(limits)
    await this.rig.takeIn(journalRecord('lost'))
    await this.rig.until(() => this.rig.states()['lost'] === 'unclear')
    await this.rig.takeIn(journalRecord('other'))
    await this.rig.until(() => this.rig.shelf.size === 1)
  }

  /** The connection waits for so long. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.rig.nowMs + ms
    await this.rig.until(() => this.rig.nowMs > untilMs)
  }
}

test('after a day without a word people are told what to do, nothing is sent, and the answer frees it by itself', async () => {
  const lost = new LostRig()
  const { rig } = lost
  const begunMs = rig.nowMs
  await lost.isSetAside()
  expect(rig.nowMs - begunMs).toBeGreaterThanOrEqual(hourMs)
  const [exception] = rig.shelf.values()
  expect(exception).toMatchObject({ code: 'look_up_unanswered' })
  expect(exception!.detail).toContain('no_answer: HTTP 500: oops')
  expect(reopenedDelivery(exception!)).toMatchObject({ may_be_there: true, state: 'refused' })
  const facts = { kind: 'refused_delivery', code: exception!.code, state: 'open' }
  expect(nextStep(facts as Parameters<typeof nextStep>[0])).toContain('weir deliveries settle')
  const askedBefore = lost.asked.length
  await lost.pass(5 * hourMs)
  expect(lost.asked.length - askedBefore).toBeGreaterThanOrEqual(4)
  expect(lost.asked.length - askedBefore).toBeLessThanOrEqual(6)
  expect([lost.sendings, rig.shelf.size]).toEqual([1, 1])
  lost.found = { kind: 'there', externalId: 'doc 7', state: 'posted' }
  await rig.until(() => rig.states()['lost'] === 'posted')
  await rig.stop()
  expect(rig.newest('lost')).toMatchObject({ external_id: 'doc 7' })
  expect([lost.sendings, rig.shelf.size]).toEqual([1, 0])
})

test('one that the receiver does not have after all is sent under the same key', async () => {
  const lost = new LostRig()
  await lost.isSetAside()
  lost.found = { kind: 'absent' }
  await lost.rig.until(() => lost.rig.states()['lost'] === 'posted')
  await lost.rig.stop()
  expect([lost.sendings, lost.rig.shelf.size]).toEqual([2, 0])
})

test('a restart asks once and keeps the exception; one that somebody discards is left alone, a word settles it', async () => {
  const lost = new LostRig()
  const { rig } = lost
  await lost.isSetAside()
  await rig.stop()
  rig.start(limits)
  const before = lost.asked.length
  const atMs = rig.nowMs
  await rig.until(() => lost.asked.length > before && rig.shelf.size === 1)
  expect(rig.nowMs - atMs).toBeLessThan(hourMs)
  await rig.until(() => rig.states()['lost'] === 'refused')
  rig.settle('lost', { there: 'doc 9' })
  await rig.until(() => rig.states()['lost'] === 'posted')
  await rig.stop()
  expect(rig.newest('lost')).toMatchObject({ external_id: 'doc 9' })
  const discarded = new LostRig()
  await discarded.isSetAside()
  discarded.rig.discard('lost')
  discarded.found = { kind: 'absent' }
  await discarded.pass(3 * hourMs)
  await discarded.rig.stop()
  expect([discarded.sendings, discarded.rig.states()['lost']]).toEqual([1, 'refused'])
})

test('while the receiver answers nobody, nothing becomes an exception', async () => {
  const lost = new LostRig()
  const { rig } = lost
  lost.others = unclear
  rig.start(limits)
  await rig.takeIn(journalRecord('lost'), journalRecord('other'))
  await lost.pass(3 * hourMs)
  expect([lost.sendings, rig.shelf.size]).toEqual([1, 0])
  lost.others = accepted
  lost.found = { kind: 'there', externalId: 'doc 7', state: 'posted' }
  await rig.until(() => rig.states()['lost'] === 'posted')
  await rig.stop()
})
