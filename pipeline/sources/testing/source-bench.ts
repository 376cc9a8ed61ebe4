// A gateway with the door, and mappers, over a real broker: for tests of the whole way from a request to the events.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { Registry } from 'prom-client'
import { type ArrivalOutcomes, arrivalOutcomesSchema } from '../../../schemas/arrival-outcome.js'
import { loadConfig } from '../../config/config.js'
import type { FlowSummary } from '../../deliver/flow-gate.js'
import type { IdentityLookup } from '../../feature/identity-lookup.js'
import { eventTaker } from '../../gateway/event-taker.js'
import { openIntake } from '../../gateway/gateway.js'
import { Acts } from '../../testing/acts.js'
import { type Broker, serve, silent, storedMessages } from '../../testing/gateway-fixture.js'
import { doorRoute } from '../door/door.js'
import { openSources } from '../open-sources.js'
import { arrivalsSettings, sourcesSettings } from '../settings.js'
import type { SettleParts } from '../settle.js'
import { SourceDesk } from '../source-desk.js'
import type { WebhookRequest } from '../source-kind.js'

export interface BenchOptions {
  /** The section `sources`, in YAML. */
  readonly sources: string
  readonly files?: Readonly<Record<string, string>>
  readonly variables: Readonly<Record<string, string>>
  readonly identities: IdentityLookup
  readonly onStep?: NonNullable<SettleParts['onStep']>
  readonly maxBytes?: number
}

export class SourceBench {
  readonly folder: string
  readonly registry = new Registry()
  mode: FlowSummary['mode'] = 'normal'
  desk!: SourceDesk
  url = ''
  readonly #broker: Broker
  readonly #options: BenchOptions
  #end: () => Promise<void> = async () => undefined

  private constructor(broker: Broker, options: BenchOptions, folder: string) {
    this.#broker = broker
    this.#options = options
    this.folder = folder
  }

  static async start(broker: Broker, options: BenchOptions, folder?: string): Promise<SourceBench> {
    const bench = new SourceBench(broker, options, folder ?? (await mkdtemp(join(tmpdir(), 'weir-sources-'))))
    await bench.#start(folder === undefined)
    return bench
  }

  async #start(writes: boolean): Promise<void> {
    const { sources, files = {}, variables, identities, onStep, maxBytes = 1e9 } = this.#options
    const file = join(this.folder, 'weir.yaml')
    if (writes) {
      await writeFile(file, sources)
      for (const [name, text] of Object.entries(files)) await writeFile(join(this.folder, name), text)
    }
    const loaded = loadConfig({ sections: [sourcesSettings, arrivalsSettings], file, env: variables })
    if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems))
    const { config } = loaded
    const { nc, jsm } = this.#broker
    const js = jetstream(nc)
    const arrivals = await new Kvm(js).open('weir_arrivals')
    const taking = {
      nc,
      js,
      partitions: 2,
      audit: new Acts(),
      pressure: () => ({ kind: 'ok' }) as const,
      registry: this.registry,
    }
    const intake = openIntake(taking)
    const buckets = { arrivals } as Parameters<typeof SourceDesk.open>[0]['buckets']
    const ofTests = {
      lookEveryMs: 50,
      leaseMs: 1_000,
      retryMinMs: 20,
      ...(onStep === undefined ? {} : { onStep }),
    }
    const flow = { summary: () => ({ mode: this.mode, notes: [], openWindows: [], isIncidentOpen: false }) }
    const parts = { config, log: silent, js, jsm, buckets, identities, registry: this.registry, flow }
    this.desk = await SourceDesk.open(parts, eventTaker(intake), await openSources(config), ofTests)
    const door = doorRoute({
      ...{ sources: this.desk.running.map(one => one.source), arrivals: this.desk.arrivals, flow, config },
      ...{ telemetry: this.desk.telemetry, log: silent, maxBytes, nowMs: Date.now },
      bodyIdleMs: 1_000,
    })
    const served = await serve(this.#broker, 2, { intake, registry: this.registry, routes: [door] })
    this.url = served.url
    this.#end = async () => {
      await this.desk.drain()
      await served.gateway.close()
    }
    this.desk.start()
  }

  async send(source: string, { headers, body }: WebhookRequest): Promise<Response> {
    return fetch(`${this.url}/v1/webhooks/${source}`, { method: 'POST', headers, body: new Uint8Array(body) })
  }

  /** Everything that was published, in the order of each stream. */
  async events(): Promise<Record<string, unknown>[]> {
    const [lifecycle, metering] = await Promise.all(
      ['LIFECYCLE', 'METERING'].map(stream => storedMessages(this.#broker, stream)),
    )
    return [...lifecycle!, ...metering!].flatMap(({ events }) => events)
  }

  async outcomes(): Promise<ArrivalOutcomes[]> {
    const { jsm } = this.#broker
    const { state } = await jsm.streams.info('ARRIVAL_OUTCOMES')
    const found: ArrivalOutcomes[] = []
    for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq += 1) {
      const message = await jsm.streams.getMessage('ARRIVAL_OUTCOMES', { seq })
      if (message !== null) found.push(arrivalOutcomesSchema.parse(message.json()))
    }
    return found
  }

  /** The state of each arrival now. */
  async states(): Promise<Record<string, string>> {
    const rows = (await this.outcomes()).flatMap(({ outcomes }) => outcomes)
    return Object.fromEntries(rows.map(({ arrival_id, state }) => [arrival_id, state]))
  }

  async stop(): Promise<void> {
    await this.#end()
  }

  async remove(): Promise<void> {
    await this.stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}
