// The feature of sources: the door, a mapper for each source of the configuration, what they tell, and the jobs that run a mapping
// again, catch up and compare.

import type { JetStreamManager } from '@nats-io/jetstream'
import { sectionOf } from '../config/config.js'
import type { Feature, FeatureFeed, FeatureParts, RunningWork } from '../feature/feature.js'
import { catchUpJob } from './catch-up-job.js'
import { catchUpRoutes } from './catch-up-routes.js'
import { compareJob } from './compare-job.js'
import { DiscardAnswers } from './discard-answers.js'
import { doorRoute } from './door/door.js'
import { fullness } from './fullness.js'
import { purgeOld } from './keep-arrivals.js'
import { openSources } from './open-sources.js'
import { ApiClaimsSink } from './owners/api-claims-sink.js'
import { conflictRoutes } from './owners/conflict-routes.js'
import { ObjectClaims } from './owners/object-claims.js'
import { ownerRoutes } from './owners/owner-routes.js'
import { type OwnerRule, systemsOfRecord } from './owners/owner-rules.js'
import { rerunJob } from './rerun-job.js'
import { arrivalsSettings, maxArrivalBytes, sourcesSettings } from './settings.js'
import { SourceDesk } from './source-desk.js'
import { sourceRoutes } from './source-routes.js'

const purgeEveryMs = 3_600_000

export const sourcesFeature: Feature = {
  name: 'sources',
  feeds: config =>
    sectionOf(config, sourcesSettings).length === 0
      ? []
      : [
          {
            key: 'sources.answers',
            stream: 'RESOLUTIONS',
            filterSubjects: ['resolutions.>'],
            openSink: ({ buckets }) => new DiscardAnswers(buckets.arrivals),
          },
          ...feedOfOwners(sectionOf(config, systemsOfRecord)),
        ],
  async work(parts, events): Promise<RunningWork> {
    const { config, flow, log } = parts
    const sources = await openSources(config)
    const desk = await SourceDesk.open(parts, events, sources)
    const { arrivals, telemetry } = desk
    const settings = sectionOf(config, arrivalsSettings)
    const maxBytes = maxArrivalBytes(settings)
    const door = doorRoute({ sources, arrivals, flow, config, telemetry, log, maxBytes, nowMs: Date.now })
    const owners = sectionOf(config, systemsOfRecord)
    const claims = new ObjectClaims(parts.buckets.arrivals, owners)
    const purging = new Purging(parts, desk, settings.keep_days)
    return {
      routes: [
        door,
        ...sourceRoutes(parts, desk),
        ...catchUpRoutes(parts, desk, Date.now),
        ...ownerRoutes(claims, owners),
        ...conflictRoutes({
          claims,
          rules: owners,
          jsm: parts.jsm,
          audit: parts.audit,
          events,
          nowMs: Date.now,
        }),
      ],
      jobs: [
        rerunJob(desk, parts),
        catchUpJob({ desk, flow, isFull: fullness(arrivals, maxBytes, Date.now), nowMs: Date.now }),
        compareJob({ desk, queries: parts.queries, nowMs: Date.now }),
      ],
      start() {
        desk.start()
        purging.start()
      },
      async drain() {
        purging.stop()
        await desk.drain()
      },
    }
  },
}

/** What the API says of customers, where rules look at it. */
function feedOfOwners(rules: readonly OwnerRule[]): readonly FeatureFeed[] {
  if (!rules.some(one => one.object === 'customer')) return []
  return [
    {
      key: 'sources.owners',
      stream: 'LEDGER',
      filterSubjects: ['ledger.*.customers', 'ledger.*.event_dispositions'],
      limits: { paceMinMs: 500, paceMaxMs: 500 },
      openSink: ({ buckets }) => new ApiClaimsSink(new ObjectClaims(buckets.arrivals, rules)),
    },
  ]
}

/** Purges what is older than the setting, now and then. */
class Purging {
  readonly #jsm: JetStreamManager
  readonly #log: FeatureParts['log']
  readonly #desk: SourceDesk
  readonly #keepDays: number
  #timer: NodeJS.Timeout | undefined

  constructor({ jsm, log }: Pick<FeatureParts, 'jsm' | 'log'>, desk: SourceDesk, keepDays: number) {
    this.#jsm = jsm
    this.#log = log
    this.#desk = desk
    this.#keepDays = keepDays
  }

  start(): void {
    if (this.#desk.running.length === 0) return
    this.#timer = setInterval(() => void this.#purge(), purgeEveryMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #purge(): Promise<void> {
    for (const running of this.#desk.running) {
      const { name } = running.source.settings
      try {
        const purged = await purgeOld(this.#jsm, running, this.#keepDays, Date.now())
        if (purged > 0) this.#log.info({ source: name, purged }, 'old arrivals were purged')
      } catch (error) {
        this.#log.warn({ source: name, err: error }, 'old arrivals could not be purged; it is tried again')
      }
    }
  }
}
