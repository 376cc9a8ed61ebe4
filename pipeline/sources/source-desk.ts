// The running sources of a process: what each is made of, started and drained together.

import { readSecret } from '../config/secrets.js'
import type { FeatureParts } from '../feature/feature.js'
import type { EventTaker } from '../gateway/event-taker.js'
import { ArrivalLog } from './arrival-log.js'
import { Fetches } from './fetches.js'
import { SourceMapper } from './mapper.js'
import { MappingRules } from './mapping-rules.js'
import { ObjectStates } from './object-states.js'
import type { OpenSource } from './open-sources.js'
import { OutcomeLog } from './outcome-log.js'
import type { SettleParts } from './settle.js'
import { type SourceReach, SourceTrouble } from './source-kind.js'
import type { SourceStatus } from './source-status.js'
import { type SourceTelemetry, sourceTelemetry } from './telemetry.js'
import { WaitingShelf } from './waiting-shelf.js'

export type DeskParts = Pick<
  FeatureParts,
  'config' | 'log' | 'js' | 'jsm' | 'buckets' | 'identities' | 'registry'
>

/** What only tests set. */
export interface OfTests {
  readonly onStep?: SettleParts['onStep']
  readonly lookEveryMs?: number
}

export interface RunningSource {
  readonly source: OpenSource
  readonly mapper: SourceMapper
  readonly shelf: WaitingShelf
  readonly settling: SettleParts
  readonly reach: SourceReach | undefined
  readonly fetches: Fetches | undefined
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
    const telemetry = sourceTelemetry(parts.registry, () => running.map(one => one.mapper.status()))
    const arrivals = new ArrivalLog(parts.js, parts.jsm)
    for (const source of sources)
      running.push(await runningSource(parts, events, source, { arrivals, telemetry, ...ofTests }))
    return new SourceDesk(arrivals, telemetry, running)
  }

  named(name: string): RunningSource | undefined {
    return this.running.find(one => one.source.settings.name === name)
  }

  statuses(): readonly SourceStatus[] {
    return this.running.map(one => one.mapper.status())
  }

  start(): void {
    for (const { mapper, fetches } of this.running) {
      mapper.start()
      fetches?.start()
    }
  }

  async drain(): Promise<void> {
    await Promise.all(
      this.running.map(async ({ mapper, fetches, reach }) => {
        await Promise.all([fetches?.drain(), mapper.drain()])
        await reach?.close?.()
      }),
    )
  }
}

async function runningSource(
  { config, log, js, jsm, buckets, identities }: DeskParts,
  events: EventTaker,
  source: OpenSource,
  {
    arrivals,
    telemetry,
    onStep,
    lookEveryMs,
  }: {
    readonly arrivals: ArrivalLog
    readonly telemetry: SourceTelemetry
  } & OfTests,
): Promise<RunningSource> {
  const { settings, kind } = source
  const shelf = new WaitingShelf(buckets.arrivals, settings.name)
  const settling: SettleParts = {
    source,
    events,
    identities,
    outcomes: new OutcomeLog(js, jsm, settings.name),
    shelf,
    states: new ObjectStates(buckets.arrivals, settings.name),
    nowMs: Date.now,
    ...(onStep === undefined ? {} : { onStep }),
  }
  const rules = new MappingRules(source, config.folder)
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
    reach?.fetch === undefined ? undefined : new Fetches({ ...settling, mapper, reach, arrivals, log })
  return { source, mapper, shelf, settling, reach, fetches }
}
