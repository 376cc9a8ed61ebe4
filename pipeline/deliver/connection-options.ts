// What the loop of a connection is given: the connector, its log, the shelf for refused records, the flow gate, a clock.

import type { DeliveryState } from '../../schemas/billing/delivery.js'
import type { Connector } from '../../sinks/connector.js'
import type { RefusedRecord, SinkTrouble } from '../../sinks/sink.js'
import type { ConnectionLimits } from './connection-limits.js'
import type { DeliveryLog } from './delivery-log.js'
import type { DeliveryRequests } from './delivery-requests.js'
import type { RecordFeed } from './feed.js'
import type { RecordGate } from './flow-gate.js'

export interface Clock {
  nowMs(): number
  /** Ends early, without an error, when the signal fires. */
  pause(ms: number, signal: AbortSignal): Promise<void>
}

/** Where refused records of this connection are kept for people (refused-records.ts). */
export interface Exceptions {
  list(): Promise<readonly RefusedRecord[]>
  setAside(records: readonly RefusedRecord[]): Promise<void>
  /** Before it is tried again: from then on nobody can discard it. False: somebody has. */
  markTaken(record: RefusedRecord): Promise<boolean>
  takeBack(record: RefusedRecord): Promise<void>
}

/** Told of each attempt and of each record that needs nothing more. */
export interface DeliveryTelemetry {
  /** `outcome` as in the attempts of a delivery. */
  attempted(outcome: string, code?: string): void
  settled(state: DeliveryState): void
}

export interface ConnectionLoopOptions {
  readonly connection: string
  readonly connector: Connector
  readonly log: DeliveryLog
  readonly exceptions: Exceptions
  readonly clock: Clock
  readonly gate: RecordGate
  /** What people ask of single deliveries; absent: nobody can. */
  readonly requests?: DeliveryRequests
  /** What a message of the source stream holds for this connection. */
  readonly recordsOf: RecordFeed['recordsOf']
  readonly limits?: Partial<ConnectionLimits>
  readonly telemetry?: DeliveryTelemetry
  readonly random?: () => number
  readonly onTrouble?: (trouble: SinkTrouble) => void
  readonly onRefused?: (records: readonly RefusedRecord[]) => void
}
