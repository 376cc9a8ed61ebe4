// Flow gates for tests: one that holds nothing, and one that holds what the test says.

import type { ConnectorRecord } from '../../../sinks/connector.js'
import type { FeedGate, FlowGate, Hold, RecordGate, Refusal } from '../flow-gate.js'

export const freeGate: FlowGate = {
  feed: () => undefined,
  record: async () => undefined,
  billingRun: () => undefined,
  batches: () => undefined,
  onChange: () => () => {},
  refresh: async () => {},
  summary: () => ({ mode: 'normal', notes: [], openWindows: [], isIncidentOpen: false }),
}

export const freeFeed: FeedGate = { hold: () => undefined, onChange: () => () => {} }

export interface SteeredGate extends Omit<FlowGate, 'record'>, RecordGate {
  /** Sets what holds the feed and each record, and tells whoever listens. */
  steer(change: {
    readonly feed?: Hold | undefined
    readonly record?: (record: ConnectorRecord) => Hold | Refusal | undefined
  }): void
}

export function steeredGate(): SteeredGate {
  const listeners = new Set<() => void>()
  let ofFeed: Hold | undefined
  let ofRecord: (record: ConnectorRecord) => Hold | Refusal | undefined = () => undefined
  return {
    ...freeGate,
    feed: () => ofFeed,
    record: async (_connection, record) => ofRecord(record),
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    steer(change) {
      if ('feed' in change) ofFeed = change.feed
      if (change.record !== undefined) ofRecord = change.record
      for (const listener of [...listeners]) listener()
    },
  }
}
