// The pipeline's metrics of what happens: one series per named event of engines and feeds. How they stand is status-gauges.ts.
// Telemetry is once per commit, never once per event.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { type DispositionCounts, dispositions } from '../../schemas/event/dispositions.js'
import type { AppliedRange } from '../deliver/deliverer-options.js'
import type { ForeignMessage } from '../deliver/ledger-commits.js'
import type { CommittedFacts, EngineTelemetry } from '../engine/engine.js'
import { type PipelineStatus, registerStatusGauges } from './status-gauges.js'

export interface PipelineTelemetry extends EngineTelemetry {
  /** A sink has taken a range. */
  applied(range: AppliedRange): void
  /** A feed skipped a message that no commit names. */
  foreign(message: ForeignMessage): void
  /** Sets the function from which the gauges are read. */
  observe(status: () => PipelineStatus): void
}

export function pipelineTelemetry(registry: Registry): PipelineTelemetry {
  const registers = [registry]
  const events = new Gauge({
    name: 'weir_events',
    help: 'Events of a partition since its first commit, by disposition; received is their sum',
    labelNames: ['partition', 'disposition'],
    registers,
  })
  const commits = new Counter({
    name: 'weir_commits_total',
    help: 'Commits',
    labelNames: ['partition'],
    registers,
  })
  const commitSeconds = new Histogram({
    name: 'weir_commit_seconds',
    help: 'From publishing a commit to the answer of the broker',
    labelNames: ['partition'],
    registers,
  })
  const arrivalToCommit = new Histogram({
    name: 'weir_arrival_to_commit_seconds',
    help: 'From the arrival of the oldest usage of a commit until the commit is stored',
    labelNames: ['partition'],
    registers,
  })
  const commitToSink = new Histogram({
    name: 'weir_commit_to_sink_seconds',
    help: 'From storing the oldest message of a range until its sink has it; of clickhouse: until it is queryable',
    labelNames: ['feed'],
    registers,
  })
  const sinkApply = new Histogram({
    name: 'weir_sink_apply_seconds',
    help: 'What a sink took for a range',
    labelNames: ['feed'],
    registers,
  })
  const foreign = new Counter({
    name: 'weir_ledger_foreign_messages_total',
    help: 'Messages on a subject of LEDGER that Weir did not write and passed over, once for each feed',
    labelNames: ['partition'],
    registers,
  })
  const interruptions = new Counter({
    name: 'weir_interruptions_total',
    help: 'Restores of a partition after trouble',
    labelNames: ['partition'],
    registers,
  })
  return {
    committed({ partition, counters, seconds, arrivedAtMs }: CommittedFacts) {
      commits.inc({ partition })
      commitSeconds.observe({ partition }, seconds)
      if (arrivedAtMs !== undefined)
        arrivalToCommit.observe({ partition }, Math.max(0, Date.now() - arrivedAtMs) / 1_000)
      for (const name of ['received', ...dispositions] satisfies (keyof DispositionCounts)[]) {
        events.set({ partition, disposition: name }, counters[name])
      }
    },
    applied({ key, ageSeconds, applySeconds }) {
      commitToSink.observe({ feed: key }, ageSeconds)
      sinkApply.observe({ feed: key }, applySeconds)
    },
    foreign: ({ natsSubject }) => foreign.inc({ partition: natsSubject.split('.')[1] ?? '' }),
    interrupted: partition => interruptions.inc({ partition }),
    observe: status => registerStatusGauges(registry, status),
  }
}
