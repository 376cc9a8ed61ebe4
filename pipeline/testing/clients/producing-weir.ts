// A Weir that takes what the clients of other billing systems send, with API keys: a rating Weir with the routes of
// pipeline/producers, whose pressure and tables a test sets.

import { jetstream } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { Registry } from 'prom-client'
import { z } from 'zod'
import { createApiKey, keyBucket } from '../../gateway/api-keys.js'
import { eventTaker } from '../../gateway/event-taker.js'
import type { Pressure } from '../../gateway/events.js'
import { openIntake } from '../../gateway/gateway.js'
import { KeyRing } from '../../gateway/key-ring.js'
import type { Scope } from '../../gateway/scopes.js'
import { producerRoutes } from '../../producers/feature.js'
import { producersSettings } from '../../producers/settings.js'
import { Acts } from '../acts.js'
import { until } from '../engine-harness.js'
import { silent } from '../gateway-fixture.js'
import { type RatingWeir, startRatingWeir } from './rating-weir.js'

export const customer = 'customer-1'

export interface ProducingWeir extends RatingWeir {
  readonly token: string
  /** A key that may not send usage. */
  readonly reader: string
  /** The next request is refused so, the ones after it are taken. */
  refuseOnce(kind: 'slow' | 'stopped'): void
  /** Resolves when it was. */
  refused(): Promise<void>
  /** What the work changed in the counts of events, once so many have come. */
  changeOf(events: number, work: () => Promise<unknown>): Promise<Record<string, number>>
}

export async function startProducingWeir(
  tables: { readonly theirs?: Readonly<Record<string, string>>; readonly section?: object } = {},
): Promise<ProducingWeir> {
  let refusal: 'slow' | 'stopped' | undefined
  let ring: KeyRing | undefined
  const tokens: string[] = []
  const pressure = (): Pressure => {
    const kind = refusal
    refusal = undefined
    if (kind === undefined) return { kind: 'ok' }
    return { kind, retryAfterSeconds: 1, detail: 'the test says so' }
  }
  const weir = await startRatingWeir([customer], async ({ nc }) => {
    const keys = await new Kvm(nc).open(keyBucket)
    for (const scopes of [['ingest:usage', 'ingest:lifecycle'], ['read']] as Scope[][])
      tokens.push((await createApiKey(keys, { name: 'client', scopes })).token)
    ring = await KeyRing.open(keys, silent)
    const audit = new Acts()
    const limits = { maxBodyBytes: 50_000 }
    const registry = new Registry()
    const intake = openIntake({ nc, js: jetstream(nc), partitions: 2, audit, registry, limits, pressure })
    const owner = (id: string) => (id === `sub_${customer}` ? customer : undefined)
    const routes = producerRoutes({
      events: eventTaker(intake),
      settings: producersSettings.schema(z).parse(tables.section ?? {}),
      identities: {
        ours: async asked => asked.map(({ id }) => tables.theirs?.[id]),
        ever: async asked => asked.map(() => []),
      },
      takenUnder: async () => [],
      caughtUp: async () => true,
      owners: async ids => ids.map(owner),
      customersOf: async (_source, id) => (id.startsWith('unknown') ? [] : [customer]),
      keys,
      audit,
    })
    return { keys: ring, intake, routes, registry }
  })
  let received = 0
  const names = [
    'rated',
    'duplicate',
    'conflicting',
    'dead_lettered',
    'parked',
    'applied',
    'unmetered',
  ] as const
  return {
    ...weir,
    token: tokens[0]!,
    reader: tokens[1]!,
    refuseOnce(kind) {
      refusal = kind
    },
    refused: () => until(() => refusal === undefined),
    async changeOf(events, work) {
      const before = names.map(name => weir.counted(name))
      await work()
      received += events
      await weir.received(received)
      const changes = names.map((name, i): [string, number] => [name, weir.counted(name) - before[i]!])
      return Object.fromEntries(changes.filter(([, change]) => change !== 0))
    },
    async close() {
      ring?.close()
      await weir.close()
    },
  }
}
