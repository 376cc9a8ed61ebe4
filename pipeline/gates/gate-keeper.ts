// Answers what the gates of customers hold: the implementation of the port `pipeline/deliver/status-gates.ts`, from the
// statuses in memory.

import type { ClickHouseClient } from '@clickhouse/client'
import type { Logger } from 'pino'
import { customerToken } from '../../schemas/identifiers.js'
import { type Gate, gates } from '../../schemas/lifecycle/gates.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import type { WatchedKeys } from '../broker/watched-keys.js'
import type { Hold } from '../deliver/flow-gate.js'
import type { NotActivated, StatusGates, StatusWord } from '../deliver/status-gates.js'
import { fold, knownWords } from './fold.js'
import type { GateRule, GatesSettings } from './settings.js'
import { statusKey } from './status-store.js'
import { type CustomerStatuses, heldBy, isActivated, type ToldStatus } from './statuses.js'

export interface GateKeeperOptions {
  readonly statuses: WatchedKeys<CustomerStatuses>
  readonly settings: GatesSettings
  readonly clickhouse: ClickHouseClient
  readonly nowMs: () => number
  readonly log: Logger
}

export class GateKeeper implements StatusGates {
  readonly #options: GateKeeperOptions
  /** Without one a customer of whom nothing was told is never held. */
  readonly #holdsUntold: boolean

  constructor(options: GateKeeperOptions) {
    this.#options = options
    this.#holdsUntold = options.settings.rules.some(one => one.without_status === 'hold')
  }

  record(connection: string, { kind, document }: ConnectorRecord): Hold | undefined {
    const { statuses, settings, nowMs } = this.#options
    if (statuses.size === 0 && !this.#holdsUntold) return undefined
    const customerId = document['customer_id']
    if (typeof customerId !== 'string' || customerId === '') return undefined
    const told = this.#of(customerId)
    if (told.length === 0 && !this.#holdsUntold) return undefined
    const entity = String(document['entity_id'] ?? '')
    const isPayout =
      kind === 'credit_note' ||
      String(document['amount_rounded'] ?? '').startsWith('-') ||
      settings.payout_connections.includes(connection)
    const found = heldBy(customerId, told, settings, nowMs()).find(
      one =>
        (one.act === 'delivery' || (one.act === 'payout' && isPayout)) &&
        (one.connections?.includes(connection) ?? true) &&
        (one.entities?.includes(entity) ?? true),
    )
    return found === undefined ? undefined : { code: 'held_by_gate', detail: found.reason }
  }

  onChange(listener: () => void): () => void {
    return this.#options.statuses.onChange(listener)
  }

  statusWords(): readonly StatusWord[] {
    const { words } = this.#options.settings
    return gates.flatMap((gate: Gate) =>
      knownWords(gate, words).map(word => ({ gate, word, folded: fold(gate, word, words) })),
    )
  }

  async notActivated(): Promise<readonly NotActivated[]> {
    const { statuses, settings, nowMs } = this.#options
    const rules = settings.rules.filter(one => one.holds.includes('activation'))
    if (rules.length === 0) return []
    const now = nowMs()
    const held = new Map<
      string,
      { readonly told: readonly ToldStatus[]; readonly reason: string; readonly since: string }
    >()
    for (const { customer_id, statuses: told } of statuses.values()) {
      const found = heldBy(customer_id, told, settings, now).find(one => one.act === 'activation')
      if (found !== undefined) held.set(customer_id, { told, reason: found.reason, since: found.since ?? '' })
    }
    if (held.size === 0) return []
    const started = await this.#started([...held.keys()])
    return [...held].flatMap(([customer_id, { told, reason, since }]): NotActivated[] => {
      const all = started?.get(customer_id) ?? []
      const isIn = (one: Started) => wasLetIn(told, rules, settings, one, now)
      // What ClickHouse has not seen yet is held as well, as long as nothing of the customer runs.
      if (!all.some(isIn)) return [{ customer_id, subscription_id: null, reason, since }]
      return all
        .filter(one => !isIn(one))
        .map(({ subscription_id }) => ({ customer_id, subscription_id, reason, since }))
    })
  }

  #of(customerId: string): readonly ToldStatus[] {
    return this.#options.statuses.get(statusKey(customerToken(customerId)))?.statuses ?? []
  }

  /** When the subscriptions of these began; undefined: ClickHouse does not answer, and all of each is held. */
  async #started(customers: readonly string[]): Promise<ReadonlyMap<string, readonly Started[]> | undefined> {
    const { clickhouse, log } = this.#options
    const query = `SELECT customer_id, subscription_id, toString(toUnixTimestamp64Nano(min(effective_from))) AS start_ns
      FROM subscription_versions WHERE has({customers: Array(String)}, customer_id) GROUP BY customer_id, subscription_id`
    try {
      const answer = await clickhouse.query({
        query,
        query_params: { customers },
        format: 'JSONEachRow',
        use_multipart_params: true,
      })
      const found = new Map<string, Started[]>()
      for (const one of await answer.json<Started & { readonly customer_id: string }>())
        found.set(one.customer_id, [...(found.get(one.customer_id) ?? []), one])
      return found
    } catch (error) {
      log.warn({ err: error }, 'what has been activated could not be read; all of the customers is held back')
      return undefined
    }
  }
}

interface Started {
  readonly subscription_id: string
  readonly start_ns: string
}

function wasLetIn(
  told: readonly ToldStatus[],
  rules: readonly GateRule[],
  { words }: GatesSettings,
  { start_ns }: Started,
  nowMs: number,
): boolean {
  return rules.every(
    rule =>
      !told.some(one => one.gate === rule.gate) || isActivated(told, rule, words, BigInt(start_ns), nowMs),
  )
}
