// Realistic usage, from a seed: about 250 bytes an event, two meters, three dimensions, customers by Zipf's
// law, 2 per mille sent twice, 1 per mille late by up to a month. Laid out as producers send it: many events
// per message.
// Invariants:
// 1. The same options give the same messages and the same expectation.
// 2. What must come out is counted here while the events are made (independent-sum.ts), not read back from
//    them.

import { partitionOf } from '../../schemas/identifiers.js'
import { decimalText, IndependentSum } from './independent-sum.js'
import { catalogWire, customerIdOf, planOf } from './price-list.js'
import { Random, ZipfRanks } from './random.js'

export interface TrafficOptions {
  readonly seed: number
  /** Sent in all, duplicates included. */
  readonly events: number
  readonly customers: number
  readonly partitions: number
  /** When the traffic is made: events happened within ten minutes before it, late ones up to 30 days. */
  readonly nowMs: number
}

export interface TrafficMessage {
  readonly partition: number
  readonly bytes: Uint8Array
  readonly events: number
}

/** Structured-clonable: it passes between processes. */
export interface Expectation {
  readonly events: number
  readonly unique: number
  readonly duplicates: number
  readonly late: number
  readonly messages: number
  readonly bytes: number
  /** Rows of `rated_usage`: one per event and meter. */
  readonly rows: number
  /** Of the rows' `quantity`: all tokens of unique events. */
  readonly quantity: string
  /** Of the rows' `amount`. */
  readonly amount: string
  /** As `quantity`, with duplicates counted each time: what a pipeline without logic writes. */
  readonly quantitySent: string
}

export interface Traffic {
  readonly messages: readonly TrafficMessage[]
  readonly expected: Expectation
}

export const eventsPerMessage = 1_000
const duplicateShare = 0.002
const lateEvery = 1_000
const models = ['gpt-4o-mini', 'claude-sonnet', 'llama-3-70b', 'mistral-small'] as const
const regions = ['eu-west-1', 'us-east-1', 'ap-south-1'] as const
const tiers = ['batch', 'standard', 'priority'] as const
const dayMs = 86_400_000

export function makeTraffic(options: TrafficOptions): Traffic {
  const { seed, events, customers, partitions, nowMs } = options
  const random = new Random(seed)
  const ranks = new ZipfRanks(customers)
  const layout = new MessageLayout(partitions)
  const sum = new IndependentSum()
  const sentTwice = new Delayed()
  const duplicates = Math.floor(events * duplicateShare)
  const unique = events - duplicates
  const perDuplicate = unique / Math.max(1, duplicates)
  let repeated = { tokensIn: 0, tokensOut: 0 }
  let late = 0
  for (let i = 0; i < unique; i += 1) {
    const customer = ranks.draw(random)
    const isLate = i % lateEvery === lateEvery - 1
    if (isLate) late += 1
    const timeMs = nowMs - Math.floor(random.next() * (isLate ? 30 * dayMs : 600_000))
    const tokensIn = 1 + Math.floor(50 * Math.exp(5 * random.next()))
    const tokensOut = 1 + Math.floor(10 * Math.exp(4 * random.next()))
    const line = eventLine(i, customer, timeMs, tokensIn, tokensOut, random)
    const partition = partitionOf(customerIdOf(customer), partitions)
    sum.add(customer, timeMs, tokensIn, tokensOut)
    layout.add(partition, line)
    if (Math.floor((i + 1) / perDuplicate) > Math.floor(i / perDuplicate)) {
      sentTwice.add(i + Math.floor(random.next() * 20_000), partition, line)
      repeated = { tokensIn: repeated.tokensIn + tokensIn, tokensOut: repeated.tokensOut + tokensOut }
    }
    sentTwice.releaseUpTo(i, layout)
  }
  sentTwice.releaseUpTo(Number.POSITIVE_INFINITY, layout)
  const messages = layout.finish()
  const { tokensIn, tokensOut } = sum.tokens()
  const sent = messages.reduce((count, message) => count + message.events, 0)
  return {
    messages,
    expected: {
      events: sent,
      unique,
      duplicates: sent - unique,
      late,
      messages: messages.length,
      bytes: messages.reduce((bytes, message) => bytes + message.bytes.length, 0),
      rows: unique * 2,
      quantity: String(tokensIn + tokensOut),
      amount: decimalText(sum.amount()),
      quantitySent: String(tokensIn + tokensOut + repeated.tokensIn + repeated.tokensOut),
    },
  }
}

function eventLine(
  index: number,
  customer: number,
  timeMs: number,
  tokensIn: number,
  tokensOut: number,
  random: Random,
): string {
  const draw = Math.floor(random.next() * 36)
  const model = models[draw % 4]
  const region = regions[draw % 3]
  const tier = tiers[Math.floor(draw / 12)]
  const id = `req-${random.uniqueHex(index)}`
  const time = new Date(timeMs).toISOString()
  return `{"specversion":"1.0","id":"${id}","source":"/gw/${region}","type":"llm.request","subject":"${customerIdOf(customer)}","time":"${time}","data":{"input_tokens":${tokensIn},"output_tokens":${tokensOut},"model":"${model}","region":"${region}","tier":"${tier}"}}\n`
}

/** Collects lines by partition and cuts them into messages. */
class MessageLayout {
  readonly #lines: string[][]
  readonly #messages: TrafficMessage[] = []

  constructor(partitions: number) {
    this.#lines = Array.from({ length: partitions }, () => [])
  }

  add(partition: number, line: string): void {
    const lines = this.#lines[partition]!
    lines.push(line)
    if (lines.length >= eventsPerMessage) this.#cut(partition)
  }

  finish(): TrafficMessage[] {
    for (const partition of this.#lines.keys()) this.#cut(partition)
    return this.#messages
  }

  #cut(partition: number): void {
    const lines = this.#lines[partition]!
    if (lines.length === 0) return
    this.#messages.push({ partition, bytes: Buffer.from(lines.join('')), events: lines.length })
    this.#lines[partition] = []
  }
}

/** Lines that are sent again some thousand events later, as a producer's retry would. */
class Delayed {
  readonly #waiting: { readonly due: number; readonly partition: number; readonly line: string }[] = []

  add(due: number, partition: number, line: string): void {
    this.#waiting.push({ due, partition, line })
  }

  /** Checks only sometimes, because the exact time of a repetition does not matter. */
  releaseUpTo(index: number, layout: MessageLayout): void {
    if (Number.isFinite(index) && index % 4_096 !== 0) return
    for (let i = this.#waiting.length - 1; i >= 0; i -= 1) {
      const { due, partition, line } = this.#waiting[i]!
      if (due > index) continue
      layout.add(partition, line)
      this.#waiting.splice(i, 1)
    }
  }
}

/** Messages to send before any usage: the catalog, and by partition one subscription per customer. */
export function makeSubscriptions(options: Omit<TrafficOptions, 'events' | 'seed'>): {
  readonly catalog: Uint8Array
  readonly messages: readonly TrafficMessage[]
} {
  const { customers, partitions, nowMs } = options
  const now = new Date(nowMs)
  // Two whole months ago, so that late events fall into an earlier period.
  const from = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 2, 1)).toISOString()
  const layout = new MessageLayout(partitions)
  for (let customer = 0; customer < customers; customer += 1) {
    const customerId = customerIdOf(customer)
    const created = {
      specversion: '1.0',
      id: `created-${customer}`,
      source: '/crm',
      type: 'weir.subscription.created',
      subject: customerId,
      data: {
        subscription_id: `sub_${String(customer).padStart(6, '0')}`,
        customer_id: customerId,
        sequence: 1,
        plan: planOf(customer),
        plan_version: 1,
        effective_from: from,
        billing_anchor: from,
      },
    }
    layout.add(partitionOf(customerId, partitions), `${JSON.stringify(created)}\n`)
  }
  const catalog = {
    specversion: '1.0',
    id: 'bench-catalog',
    source: '/crm',
    type: 'weir.catalog.published',
    data: { catalog: catalogWire },
  }
  return { catalog: Buffer.from(JSON.stringify(catalog)), messages: layout.finish() }
}
