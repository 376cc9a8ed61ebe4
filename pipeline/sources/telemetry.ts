// The metrics of sources. Labels are names of the configuration and codes of ours, never what somebody sent.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { SourceStatus } from './source-status.js'

export interface SourceTelemetry {
  /** A request at the door: `taken`, or the code of its refusal. */
  answered(source: string, outcome: string, seconds: number): void
  refused(source: string, code: string): void
  kept(source: string, stored: number, duplicates: number): void
  mapped(source: string, outcome: string): void
  listenFailed(source: string, code: string): void
}

export function sourceTelemetry(
  registry: Registry,
  statuses: () => readonly SourceStatus[],
): SourceTelemetry {
  const registers = [registry]
  const seconds = new Histogram({
    name: 'weir_source_answer_seconds',
    help: 'Time to answer a webhook',
    labelNames: ['source', 'outcome'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  })
  const unproven = new Counter({
    name: 'weir_source_unproven_total',
    help: 'Requests that did not prove who sent them',
    labelNames: ['source', 'code'] as const,
    registers,
  })
  const arrivals = new Counter({
    name: 'weir_source_arrivals_total',
    help: 'Arrivals by webhook and by listening',
    labelNames: ['source', 'what'] as const,
    registers,
  })
  const outcomes = new Counter({
    name: 'weir_source_outcomes_total',
    help: 'What became of arrivals',
    labelNames: ['source', 'outcome'] as const,
    registers,
  })
  const listenFailures = listenMetrics(registers, statuses)
  gaugeOf('weir_source_waiting', 'Arrivals that wait', one => one.waiting)
  gaugeOf('weir_source_behind', 'Arrivals that are not mapped yet', one => one.behind)
  gaugeOf('weir_source_stopped', '1: the source is not being mapped', one =>
    one.trouble === undefined ? 0 : 1,
  )
  function gaugeOf(name: string, help: string, read: (one: SourceStatus) => number): void {
    new Gauge({
      name,
      help,
      labelNames: ['source'] as const,
      registers,
      collect() {
        for (const one of statuses()) this.set({ source: one.source }, read(one))
      },
    })
  }
  return {
    answered: (source, outcome, took) => seconds.observe({ source, outcome }, took),
    refused: (source, code) => unproven.inc({ source, code }),
    kept(source, stored, duplicates) {
      arrivals.inc({ source, what: 'stored' }, stored)
      arrivals.inc({ source, what: 'duplicate' }, duplicates)
    },
    mapped: (source, outcome) => outcomes.inc({ source, outcome }),
    listenFailed: (source, code) => listenFailures.inc({ source, code }),
  }
}

/** Of sources that are listened to. Answers the counter of failures. */
function listenMetrics(
  registers: Registry[],
  statuses: () => readonly SourceStatus[],
): Counter<'source' | 'code'> {
  const failures = new Counter({
    name: 'weir_source_listen_failures_total',
    help: 'Times that listening to a source ended in trouble',
    labelNames: ['source', 'code'] as const,
    registers,
  })
  new Gauge({
    name: 'weir_source_listening',
    help: '1: this process listens to the source',
    labelNames: ['source'] as const,
    registers,
    collect() {
      for (const { source, listening } of statuses())
        if (listening !== undefined) this.set({ source }, listening.state === 'listening' ? 1 : 0)
    },
  })
  new Gauge({
    name: 'weir_source_heard_timestamp_seconds',
    help: 'When this process last heard of a source that it listens to',
    labelNames: ['source'] as const,
    registers,
    collect() {
      for (const { source, listening } of statuses())
        if (listening?.heardAtMs !== undefined) this.set({ source }, listening.heardAtMs / 1000)
    },
  })
  return failures
}
