// Listening over a real broker: the place is kept after what comes before it, one process listens, a hold stops it.

import { jetstream } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../testing/engine-harness.js'
import { type Broker, silent, startBroker } from '../testing/gateway-fixture.js'
import { ArrivalLog, type Kept } from './arrival-log.js'
import { type ListenerParts, SourceListener } from './listener.js'
import { type ArrivalDraft, type SourceReach, SourceTrouble } from './source-kind.js'
import { sourceTelemetry } from './telemetry.js'

let broker: Broker
let kv: ListenerParts['kv']
const js = () => jetstream(broker.nc)
beforeAll(async () => {
  broker = await startBroker(1)
  kv = await new Kvm(js()).open('weir_arrivals')
})
afterAll(() => broker?.close())

/** A source of numbered events, told three at a time; `position` is the number of the last one. */
class Counted implements Pick<SourceReach, 'listen'> {
  last = 0
  readonly began: unknown[] = []
  trouble: SourceTrouble | undefined

  async listen(
    position: unknown,
    keep: (arrivals: readonly ArrivalDraft[], position: unknown) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    this.began.push(position)
    let at = typeof position === 'number' ? position : 0
    while (!signal.aborted) {
      if (this.trouble !== undefined) throw this.trouble
      const some = Array.from({ length: Math.min(3, this.last - at) }, (_, index) => at + index + 1)
      at += some.length
      if (some.length > 0)
        await keep(
          some.map(one => ({ id: `event-${one}`, type: 'change', bytes: Buffer.from(String(one)) })),
          at,
        )
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
}

function listenerOf(source: string, reach: Counted, more: Partial<ListenerParts> = {}) {
  const registry = new Registry()
  return new SourceListener({
    ...{ source, reach, kv, arrivals: new ArrivalLog(js(), broker.jsm), log: silent, nowMs: Date.now },
    ...{ flow: { summary: () => normal }, isFull: () => false, leaseMs: 400, retryMinMs: 5 },
    telemetry: sourceTelemetry(registry, () => []),
    ...more,
  })
}
const normal = { mode: 'normal' as const, notes: [], openWindows: [], isIncidentOpen: false }
const placeOf = async (source: string) =>
  (await kv.get(`listen.${source}`))?.json<{ position?: number }>().position
const countOf = async (source: string) => {
  const info = await broker.jsm.streams.info('ARRIVALS', { subjects_filter: `arrivals.${source}.>` })
  return Object.keys(info.state.subjects ?? {}).length
}

test('the place moves after what comes before it is on disk; who goes on there misses nothing, and what comes again is kept once', async () => {
  const reach = new Counted()
  reach.last = 7
  const log = new ArrivalLog(js(), broker.jsm)
  let broken = true
  const keep = async (...args: Parameters<ArrivalLog['keep']>): Promise<Kept> => {
    if (broken && args[1].id === 'event-5') return { kind: 'failed', detail: 'no answer' }
    return log.keep(...args)
  }
  const first = listenerOf('steps', reach, { arrivals: { keep } })
  first.start()
  await until(async () => reach.began.length > 1)
  expect(await placeOf('steps')).toBe(3)
  expect(first.status()).toMatchObject({ trouble: { code: 'broker_unavailable' } })
  broken = false
  await until(async () => (await placeOf('steps')) === 7)
  expect(first.status()).toMatchObject({ state: 'listening', trouble: undefined })
  expect(await countOf('steps')).toBe(7)
  await first.drain()
  reach.last = 8
  const second = listenerOf('steps', reach)
  second.start()
  await until(async () => (await placeOf('steps')) === 8)
  expect(reach.began.at(-1)).toBe(7)
  await second.drain()
})

test('one process listens; when it is gone without a word another goes on, and the one that comes back is refused', async () => {
  const [ours, theirs] = [new Counted(), new Counted()]
  ours.last = 2
  theirs.last = 4
  let isAway = false
  const away = new Proxy(kv, {
    get(target, name) {
      if (isAway && name === 'put') return () => Promise.reject(new Error('no answer'))
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const first = listenerOf('shared', ours, { kv: away })
  first.start()
  await until(async () => (await placeOf('shared')) === 2)
  const second = listenerOf('shared', theirs)
  second.start()
  expect(second.status().state).toBe('standby')
  isAway = true
  await until(async () => (await placeOf('shared')) === 4)
  isAway = false
  ours.last = 9
  await until(async () => first.status().state === 'standby')
  expect(await placeOf('shared')).toBe(4)
  await Promise.all([first.drain(), second.drain()])
})

test('while Weir is frozen nothing is listened to; trouble is told and passes', async () => {
  const reach = new Counted()
  const before = listenerOf('held', reach)
  before.start()
  await until(() => reach.began.length > 0)
  await before.drain() // it has heard nothing: there is no place yet
  let mode: 'normal' | 'frozen' = 'normal'
  const listener = listenerOf('held', reach, { flow: { summary: () => ({ ...normal, mode }) } })
  listener.start()
  reach.last = 1
  await until(async () => (await placeOf('held')) === 1)
  mode = 'frozen'
  await until(async () => listener.status().state === 'held')
  reach.last = 2
  expect(await placeOf('held')).toBe(1)
  reach.trouble = new SourceTrouble('credentials_refused', 'no', 5)
  mode = 'normal'
  await until(async () => listener.status().trouble?.code === 'credentials_refused')
  reach.trouble = undefined
  await until(async () => (await placeOf('held')) === 2)
  await listener.drain()
})
