// Keeps what a replay found, in the bucket `weir_replays`: pieces of lines per partition, and a last record that says how
// many there are. Kept for 90 days.
// Invariants: a partition counts only with its last record; a step that is made again writes the same keys again.

import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { type KV, Kvm } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { z } from 'zod'
import { replaysBucket } from '../broker/topology.js'
import type { ReplayedPartitionAnswer } from './replay-partition.js'

const sums = {
  charges: z.int(),
  changed: z.int(),
  amount_before: z.string(),
  amount_after: z.string(),
  amount_change: z.string(),
  amount_rounded_before: z.string(),
  amount_rounded_after: z.string(),
  amount_rounded_change: z.string(),
}
const text = z.string()

export const chargeLineSchema = z
  .object({
    by: z.literal('charge'),
    change: z.enum(['added', 'removed', 'changed']),
    charge_id: text,
    customer_id: text,
    subscription_id: text,
    entity_id: text,
    plan: text,
    plan_version: z.int(),
    price: text,
    meter: text,
    kind: text,
    currency: text,
    service_period: z.object({ from: text, until: text }),
    quantity_before: text,
    quantity_after: text,
    amount_before: text,
    amount_after: text,
    amount_change: text,
    amount_rounded_before: text,
    amount_rounded_after: text,
    amount_rounded_change: text,
  })
  .meta({ id: 'ReplayedCharge' })
export const customerLineSchema = z
  .object({ by: z.literal('customer'), customer_id: text, currency: text, ...sums })
  .meta({ id: 'ReplayedCustomer' })
export const priceLineSchema = z
  .object({ by: z.literal('price'), plan: text, price: text, currency: text, ...sums })
  .meta({ id: 'ReplayedPrice' })

export type ChargeLine = z.infer<typeof chargeLineSchema>
export type CustomerLine = z.infer<typeof customerLineSchema>
export type PriceLine = z.infer<typeof priceLineSchema>
export type DifferenceLine = ChargeLine | CustomerLine | PriceLine

const endSchema = z.object({
  partition: z.int(),
  commit: z.int(),
  pieces: z.int(),
  prices: z.array(priceLineSchema),
  /** What became of the events that were fed, and those that were refused, by code. */
  events: z.record(z.string(), z.number()),
  refused: z.record(z.string(), z.number()),
  customers: z.int(),
})
export type PartitionEnd = z.infer<typeof endSchema>

const [zip, unzip] = [promisify(gzip), promisify(gunzip)]

/** Where a store keeps its bytes. */
export interface KeptBytes {
  get(key: string): Promise<Uint8Array | undefined>
  put(key: string, value: Uint8Array): Promise<unknown>
}

/** The bucket `weir_replays`. */
export function keptInBucket(nc: NatsConnection): KeptBytes {
  let opened: Promise<KV> | undefined
  const bucket = (): Promise<KV> => {
    opened ??= new Kvm(nc).open(replaysBucket)
    return opened
  }
  return {
    async get(key) {
      const entry = await (await bucket()).get(key)
      return entry === null || entry.value.length === 0 ? undefined : entry.value
    },
    put: async (key, value) => (await bucket()).put(key, value),
  }
}

export class ReplayStore {
  readonly #kept: KeptBytes

  constructor(kept: KeptBytes) {
    this.#kept = kept
  }

  /** Takes the pages of a partition's differences as they come, and its totals at the end. */
  begin(jobId: string, partition: number): PartitionWriter {
    return new PartitionWriter(jobId, partition, (key, value) => this.#put(key, value))
  }

  /** Undefined: the partition has not been replayed to its end. */
  async end(jobId: string, partition: number): Promise<PartitionEnd | undefined> {
    const bytes = await this.#get(`${jobId}.p${partition}.end`)
    return bytes === undefined ? undefined : endSchema.parse(JSON.parse(bytes.toString('utf8')))
  }

  async piece(jobId: string, partition: number, piece: number): Promise<readonly DifferenceLine[]> {
    return linesOf(await this.#get(`${jobId}.p${partition}.${piece}`))
  }

  async #put(key: string, value: Uint8Array): Promise<void> {
    await this.#kept.put(key, await zip(value))
  }

  async #get(key: string): Promise<Buffer | undefined> {
    const bytes = await this.#kept.get(key)
    return bytes === undefined ? undefined : unzip(bytes)
  }
}

class PartitionWriter {
  readonly #at: string
  readonly #partition: number
  readonly #put: (key: string, value: Uint8Array) => Promise<void>
  #pieces = 0
  #customers = 0
  #prices: PriceLine[] = []

  constructor(jobId: string, partition: number, put: (key: string, value: Uint8Array) => Promise<void>) {
    this.#at = `${jobId}.p${partition}`
    this.#partition = partition
    this.#put = put
  }

  async write(bytes: Uint8Array): Promise<void> {
    const lines = linesOf(Buffer.from(bytes))
    const others = lines.filter(line => line.by !== 'price')
    this.#prices.push(...lines.filter(line => line.by === 'price'))
    this.#customers += lines.filter(line => line.by === 'customer').length
    if (others.length === 0) return
    await this.#put(
      `${this.#at}.${this.#pieces}`,
      Buffer.from(others.map(line => `${JSON.stringify(line)}\n`).join('')),
    )
    this.#pieces += 1
  }

  async end({ commit, totals }: ReplayedPartitionAnswer): Promise<void> {
    const end: PartitionEnd = {
      partition: this.#partition,
      commit,
      pieces: this.#pieces,
      prices: this.#prices,
      events: { ...totals.events },
      refused: totals.refused,
      customers: this.#customers,
    }
    await this.#put(`${this.#at}.end`, Buffer.from(JSON.stringify(end)))
  }
}

function linesOf(bytes: Buffer | undefined): DifferenceLine[] {
  const texts = bytes?.toString('utf8').split('\n') ?? []
  return texts.filter(line => line !== '').map(line => JSON.parse(line) as DifferenceLine)
}
