// The running sources of a process: what each is made of, started and drained together.

import { sectionOf } from '../config/config.js'
import { readSecret } from '../config/secrets.js'
import type { FeatureParts } from '../feature/feature.js'
import type { EventTaker } from '../gateway/event-taker.js'
import { ArrivalLog } from './arrival-log.js'
import { Fetches } from './fetches.js'
import { fullness } from './fullness.js'
import { SourceListener } from './listener.js'
import { SourceMapper } from './mapper.js'
import { MappingRules } from './mapping-rules.js'
import { ObjectStates } from './object-states.js'
import type { OpenSource } from './open-sources.js'
import { OutcomeLog } from './outcome-log.js'
import { CustomerHomes } from './owners/customer-homes.js'
import { ObjectClaims } from './owners/object-claims.js'
import { systemsOfRecord } from './owners/owner-rules.js'
import { arrivalsSettings, maxArrivalBytes } from './settings.js'
import type { SettleParts } from './settle.js'
import { Owners } from './settle-owned.js'
import { type SourceReach, SourceTrouble } from './source-kind.js'
import type { SourceStatus } from './source-status.js'
import { type SourceTelemetry, sourceTelemetry } from './telemetry.js'
import { WaitingShelf } from './waiting-shelf.js'

export type DeskParts = Pick<
  FeatureParts,
  'config' | 'log' | 'js' | 'jsm' | 'buckets' | 'identities' | 'registry'
> & { readonly flow: Pick<FeatureParts['flow'], 'summary'> }

/** What only tests set. */
export interface OfTests {
  readonly onStep?: SettleParts['onStep']
  readonly lookEveryMs?: number
  readonly leaseMs?: number
  readonly retryMinMs?: number
}

export interface RunningSource {
  readonly source: OpenSource
  readonly mapper: SourceMapper
  readonly shelf: WaitingShelf
  readonly settling: SettleParts
  readonly reach: SourceReach | undefined
  readonly fetches: Fetches | undefined
  readonly listener: SourceListener | undefined
}

export class SourceDesk {
  readonly arrivals: ArrivalLog
  readonly telemetry: SourceTelemetry
  readonly running: readonly RunningSource[]

  private constructor(arrivals: ArrivalLog, telemetry: SourceTelemetry, running: readonly RunningSource[]) {
    this.arrivals = arrivals
    this.telemetry = telemetry
    this.running = running
  }

  static async open(
    parts: DeskParts,
    events: EventTaker,
    sources: readonly OpenSource[],
    ofTests: OfTests = {},
  ): Promise<SourceDesk> {
    const running: RunningSource[] = []
    const telemetry = sourceTelemetry(parts.registry, () => running.map(statusOf))
    const arrivals = new ArrivalLog(parts.js, parts.jsm)
    for (const source of sources)
      running.push(await runningSource(parts, events, source, { arrivals, telemetry, ...ofTests }))
    return new SourceDesk(arrivals, telemetry, running)
  }

  named(name: string): RunningSource | undefined {
    return this.running.find(one => one.source.settings.name === name)
  }

  statuses(): readonly SourceStatus[] {
    return this.running.map(statusOf)
  }

  start(): void {
    for (const { mapper, fetches, listener } of this.running) {
      mapper.start()
      fetches?.start()
      listener?.start()
    }
  }

  async drain(): Promise<void> {
    await Promise.all(
      this.running.map(async ({ mapper, fetches, listener, reach }) => {
        await Promise.all([listener?.drain(), fetches?.drain(), mapper.drain()])
        await reach?.close?.()
      }),
    )
  }
}

async function runningSource(
  { config, log, js, jsm, buckets, identities, flow }: DeskParts,
  events: EventTaker,
  source: OpenSource,
  {
    arrivals,
    telemetry,
    onStep,
    lookEveryMs,
    leaseMs,
    retryMinMs,
  }: {
    readonly arrivals: ArrivalLog
    readonly telemetry: SourceTelemetry
  } & OfTests,
): Promise<RunningSource> {
  const { settings, kind } = source
  const shelf = new WaitingShelf(buckets.arrivals, settings.name)
  const ownerRules = sectionOf(config, systemsOfRecord)
  const settling: SettleParts = {
    source,
    events,
    identities,
    outcomes: new OutcomeLog(js, jsm, settings.name),
    shelf,
    states: new ObjectStates(buckets.arrivals, settings.name),
    nowMs: Date.now,
    owners: new Owners({
      ...{ source: settings.name, rules: ownerRules },
      claims: new ObjectClaims(buckets.arrivals, ownerRules),
    }),
    homes: new CustomerHomes(buckets.arrivals, config.dedupeHorizonDays),
    ...(onStep === undefined ? {} : { onStep }),
  }
  const rules = new MappingRules(source, config.folder, ownerRules)
  const mapper = new SourceMapper({ ...settling, js, arrivals, rules, telemetry, log, lookEveryMs })
  const reach = await kind.reach?.({
    source: settings.name,
    settings,
    nowMs: Date.now,
    secret(named) {
      const read = readSecret(named, config)
      if (read.kind === 'ok') return read.secret
      throw new SourceTrouble(read.code, read.detail)
    },
  })
  const fetches =
    reach?.fetch === undefined
      ? undefined
      : new Fetches({ ...settling, mapper, reach, arrivals, log, everyMs: lookEveryMs })
  const maxBytes = maxArrivalBytes(sectionOf(config, arrivalsSettings))
  const listener =
    reach?.listen === undefined
      ? undefined
      : new SourceListener({
          ...{ source: settings.name, reach, kv: buckets.arrivals, arrivals, flow, telemetry, log },
          isFull: fullness(arrivals, maxBytes, Date.now),
          nowMs: Date.now,
          ...(leaseMs === undefined ? {} : { leaseMs }),
          ...(retryMinMs === undefined ? {} : { retryMinMs }),
        })
  return { source, mapper, shelf, settling, reach, fetches, listener }
}

function statusOf({ mapper, listener }: RunningSource): SourceStatus {
  const status = mapper.status()
  if (listener === undefined) return status
  const listening = listener.status()
  return { ...status, trouble: status.trouble ?? listening.trouble, listening }
}
