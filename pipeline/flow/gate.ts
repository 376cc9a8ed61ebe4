// The flow gate of a running Weir: what people have set, kept in memory and current by a watch on the bucket `weir_flow`, so
// that no range and no record waits for the broker.
// Invariants:
// 1. Before delivery begins everything that was set has been read. While it cannot be read nothing leaves.
// 2. A change by this process counts from the answer to its request on (`refresh`); a change by another one as soon as
//    the watch brings it. After an interruption of the watch the document is read again.

import { setTimeout as sleep } from 'node:timers/promises'
import type { KV } from '@nats-io/kv'
import type { Logger } from 'pino'
import type { ConnectorRecord } from '../../sinks/connector.js'
import type { Feed, Rollout } from '../deliver/feed.js'
import type { FlowGate, FlowSummary, Hold } from '../deliver/flow-gate.js'
import { holdOf, type OpenWindow, words } from './decide.js'
import { type FlowState, readState, untouchedState } from './flow-state.js'
import { type WindowNow, windowAt } from './freeze-window.js'
import type { FreezeWindow } from './window-shape.js'

export interface GateOptions {
  /** The bucket `weir_flow`. */
  readonly kv: KV
  readonly feeds: readonly Feed[]
  /** The windows of the configuration. */
  readonly windows: readonly FreezeWindow[]
  readonly log: Logger
  readonly nowMs: () => number
  /** The connection to the broker is closed for ever. */
  readonly isClosed: () => boolean
}

export const stateKey = 'state'
const rewatchMs = 1_000

export class WatchedGate implements FlowGate {
  readonly #options: GateOptions
  readonly #rollouts: ReadonlyMap<string, Rollout>
  readonly #listeners = new Set<() => void>()
  #state: FlowState = untouchedState
  #revision = -1
  #windows: readonly FreezeWindow[]
  /** When each window opens or ends next, so that the calendar is asked once for each time. */
  #times = new Map<FreezeWindow, WindowNow & { readonly fromMs: number }>()

  private constructor(options: GateOptions) {
    this.#options = options
    this.#windows = options.windows
    this.#rollouts = new Map(
      options.feeds.flatMap(({ ofRecords }) =>
        ofRecords === undefined ? [] : [[ofRecords.connection, ofRecords.rollout] as const],
      ),
    )
  }

  static async open(options: GateOptions): Promise<WatchedGate> {
    const gate = new WatchedGate(options)
    await gate.refresh() // invariant 1
    void gate.#watch()
    return gate
  }

  feed({ key, leaves, ofRecords }: Feed): Hold | undefined {
    const isOutside = leaves === true && ofRecords === undefined
    return holdOf(this.#state, this.#open(), { kind: 'range', feed: key, leaves: isOutside })
  }

  async record(connection: string, { document }: ConnectorRecord): Promise<Hold | undefined> {
    const rollout = this.#rollouts.get(connection)
    if (rollout === undefined) throw new Error(`there is no connection ${connection}`)
    const entity = String(document['entity_id'] ?? '')
    const customer = String(document['customer_id'] ?? '')
    return holdOf(this.#state, this.#open(), { kind: 'record', connection, entity, customer, rollout })
  }

  billingRun(entity: string | undefined): Hold | undefined {
    return holdOf(this.#state, this.#open(), { kind: 'billing_run', entity })
  }

  batches(entity: string): Hold | undefined {
    return holdOf(this.#state, this.#open(), { kind: 'batch', entity })
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async refresh(): Promise<void> {
    const entry = await this.#options.kv.get(stateKey)
    if (entry === null || entry.operation !== 'PUT') this.#adopt(untouchedState, entry?.revision ?? 0)
    else this.#adopt(readState(entry.value), entry.revision)
  }

  summary(): FlowSummary {
    const { mode, incident } = this.#state
    const open = this.#open()
    const notes: string[] = []
    if (incident !== null) {
      const next = incident.done.at(-1)?.step ?? ''
      notes.push(`incident ${incident.incident_id}, opened ${words(incident.done[0])}; last step ${next}`)
    }
    if (mode.mode !== 'normal') notes.push(`${mode.mode} ${words(mode)}`)
    for (const { window, untilMs } of open) {
      const whose = window.entity === undefined ? '' : ` of entity ${window.entity}`
      notes.push(`window ${window.name}${whose} (${window.mode}) until ${new Date(untilMs).toISOString()}`)
    }
    const openWindows = open.map(({ window }) => window.name)
    return { mode: mode.mode, notes, openWindows, isIncidentOpen: incident !== null }
  }

  #open(): readonly OpenWindow[] {
    if (this.#windows.length === 0) return []
    const nowMs = this.#options.nowMs()
    const open: OpenWindow[] = []
    for (const window of this.#windows) {
      let time = this.#times.get(window)
      if (time === undefined || nowMs >= time.untilMs || nowMs < time.fromMs) {
        time = { ...windowAt(window, nowMs), fromMs: nowMs }
        this.#times.set(window, time)
      }
      if (time.isOpen) open.push({ window, untilMs: time.untilMs })
    }
    return open
  }

  #adopt(state: FlowState, revision: number): void {
    if (revision <= this.#revision) return
    this.#revision = revision
    this.#state = state
    this.#windows = [...this.#options.windows, ...state.windows.map(({ window }) => window)]
    this.#times = new Map()
    for (const listener of [...this.#listeners]) listener()
  }

  /** Watches for as long as the connection to the broker lives. */
  async #watch(): Promise<void> {
    const { kv, log, isClosed } = this.#options
    while (!isClosed()) {
      try {
        const changes = await kv.watch({ key: stateKey })
        await this.refresh() // invariant 2: nothing is missed between the reading and the watch
        for await (const entry of changes) {
          if (entry.operation === 'PUT') this.#adopt(readState(entry.value), entry.revision)
          else this.#adopt(untouchedState, entry.revision)
        }
      } catch (error) {
        if (!isClosed()) log.warn({ err: error }, 'the watch on the flow control was interrupted')
      }
      await sleep(rewatchMs, undefined, { ref: false })
    }
  }
}
