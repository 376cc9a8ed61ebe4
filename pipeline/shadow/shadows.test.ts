// A copy of a live partition on a real broker: read beside the engine that owns it, which notices nothing.

import type { ClickHouseClient } from '@clickhouse/client'
import { Kvm } from '@nats-io/kv'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { partitionOf } from '../../schemas/identifiers.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { parseInstant } from '../../schemas/time.js'
import { streamNames } from '../broker/topology.js'
import { pipelineLimits } from '../config/limits.js'
import { type RatingWeir, startRatingWeir } from '../testing/clients/rating-weir.js'
import { post } from '../testing/gateway-fixture.js'
import { Shadows } from './shadows.js'

const partition = partitionOf('acme', 2)
const forever = { dedupeHorizonMs: Number.POSITIVE_INFINITY }
const never = new AbortController().signal

let weir: RatingWeir
let shadows: Shadows

beforeAll(async () => {
  weir = await startRatingWeir(['acme'])
  const { nc, bulk, jsm } = weir.broker
  const limits = pipelineLimits({ partitions: 2, maxPayload: nc.info!.max_payload }, { core: forever })
  const feed = { key: 'clickhouse', stream: 'LEDGER', filterSubjects: ['ledger.*.rated_usage'] } as const
  const sinks = await new Kvm(nc).open('weir_sinks')
  const clickhouse = {} as ClickHouseClient // nothing here asks for history
  shadows = new Shadows({ nc, jsm, bulk, clickhouse, sinks, feed, limits, partitions: 2 })
  await post(`${weir.url}/v1/events`, [call('a'), call('b')])
  await weir.received(2)
})

afterAll(() => weir.close())

function call(id: string) {
  const time = '2026-10-05T00:00:00Z'
  return { specversion: '1.0', source: 'app', id, type: 'llm.request', subject: 'acme', time }
}

async function everyStream(): Promise<unknown> {
  const { jsm } = weir.broker
  const infos = await Promise.all(streamNames.map(name => jsm.streams.info(name)))
  return infos.map(({ config, state }) => [config.name, state.last_seq, state.messages, state.bytes])
}

test('a copy has the whole state, tells duplicates, and leaves every stream as it was', async () => {
  const before = await everyStream()
  const outcome = await shadows.copyOf(partition, never, async copy => {
    const bytes = Buffer.from(JSON.stringify([call('b'), call('c')]))
    const nowMs = Date.now()
    await copy.feed({ nowMs, metering: [{ seq: 1, arrivedAtMs: nowMs, bytes }] })
    return copy.outcome([{ source: 'app', id: 'c' }])
  })
  expect(outcome.counts).toMatchObject({ received: 2, duplicate: 1, rated: 1 })
  expect(outcome.fates[0]).toMatchObject({ kind: 'rated', amount: 10n ** 12n })
  expect(outcome.charges.map(one => [one.price, formatScaled(one.before), formatScaled(one.after)])).toEqual([
    ['calls', '2', '3'],
  ])
  expect(await everyStream()).toEqual(before)
})

test('what a partition owes is told as of one commit, and a commit that is gone is not copied', async () => {
  const stretch = {
    fromNs: parseInstant('2026-10-01T00:00:00Z')!,
    untilNs: parseInstant('2026-11-01T00:00:00Z')!,
  }
  const owed: Buffer[] = []
  const at = await shadows.owedBy(
    partition,
    stretch,
    never,
    async lines => void owed.push(Buffer.from(lines)),
  )
  const charges = Buffer.concat(owed).toString('utf8').trim().split('\n')
  expect(charges.map(line => JSON.parse(line))).toMatchObject([
    { customer_id: 'acme', price: 'calls', quantity: '2', amount: '2' },
  ])
  const replayed = (checkpointSeq: number) =>
    shadows.replayAt(partition, { ...at, checkpointSeq }, 'copied', never, async ({ commit }) => commit)
  expect(await replayed(at.checkpointSeq)).toBe(at.commit)
  expect(await replayed(at.checkpointSeq + 1)).toBe(undefined)
})

test('shadows take turns, and one that fails or is stopped gives its turn away', async () => {
  const order: string[] = []
  const stopping = new AbortController()
  const first = shadows.inThread(never, async () => {
    order.push('first')
    throw new Error('broken on purpose')
  })
  const second = shadows.inThread(stopping.signal, async () => order.push('second'))
  stopping.abort()
  const third = shadows.inThread(never, async () => order.push('third'))
  const settled = await Promise.allSettled([first, second, third])
  expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
  expect(order).toEqual(['first', 'third'])
})
