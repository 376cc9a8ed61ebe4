// The log of one connection: the states of its deliveries in the stream DELIVERIES, subject
// `deliveries.<connection>`. A connection keeps nothing else. A step of the log is one message.
//
// A step changes a page of deliveries and how far the source was taken in, all or nothing. A bucket with one
// key per delivery could not do that. Also, one fence on one subject keeps a second process out, ClickHouse
// is fed from the same messages, and a start reads only from the oldest unsettled delivery on.
// Invariants:
// 1. Every step is written under a fence: the subject's last message must be the last one that this writer
//    knows. Opening the log writes a step, so an earlier writer is refused at its next one.
// 2. A step whose answer was lost is written again under the same fence. If it is then refused, the last
//    message tells whether the first write was stored.

import { randomUUID } from 'node:crypto'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import { type DeliveryStep, deliveryStepSchema } from '../../schemas/billing/delivery.js'
import { publishBatch } from '../broker/atomic-batch.js'
import { backOffMs, pauseFor } from '../broker/back-off.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { readStretch } from '../broker/read-stream.js'
import { FencedError } from './delivery-lease.js'

export type StepBody = Omit<DeliveryStep, 'step'>

export interface StoredStep extends DeliveryStep {
  readonly sequence: number
}

export interface DeliveryLog {
  /** Fences earlier writers. Returns the steps from the oldest unsettled delivery on; the last is its own. */
  open(signal: AbortSignal): Promise<readonly StoredStep[]>
  /** Returns the step's sequence. Throws `FencedError` when another process has opened the log. */
  append(step: StepBody, signal: AbortSignal): Promise<number>
}

export interface DeliveryLogOptions {
  readonly bulk: BulkTransport
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly connection: string
  readonly timeoutMs: number
}

export const deliveriesStream = 'DELIVERIES'
export const deliveriesSubject = (connection: string): string => `deliveries.${connection}`
const retry = { retryMinMs: 50, retryMaxMs: 2_000 }

export function openDeliveryLog(options: DeliveryLogOptions): DeliveryLog {
  let last = 0
  return {
    async open(signal) {
      for (;;) {
        const before = await lastStep(options)
        const begin =
          before === undefined ? 0 : before.replay_from === 0 ? before.sequence : before.replay_from
        const claim = { taken_up_to: before?.taken_up_to ?? 0, replay_from: begin, changed: [] }
        try {
          last = await write(options, claim, before?.sequence ?? 0, signal)
        } catch (error) {
          if (error instanceof FencedError) continue // another wrote in between: read again
          throw error
        }
        return readSteps(options, begin === 0 ? last : begin, last, signal)
      }
    },
    async append(step, signal) {
      last = await write(options, step, last, signal)
      return last
    },
  }
}

async function write(
  options: DeliveryLogOptions,
  body: StepBody,
  lastSubjectSequence: number,
  signal: AbortSignal,
): Promise<number> {
  const step = randomUUID()
  const bytes = new TextEncoder().encode(JSON.stringify({ step, ...body }))
  const message = { natsSubject: deliveriesSubject(options.connection), bytes }
  for (let failures = 1; ; failures += 1) {
    const outcome = await publishBatch(options.bulk, [message], { lastSubjectSequence }, options.timeoutMs)
    if (outcome.kind === 'stored') return outcome.seq
    if (outcome.kind === 'fenced') {
      const found = await lastStep(options) // invariant 2
      if (found?.step === step) return found.sequence
      throw new FencedError(`another process delivers to ${options.connection}`)
    }
    if (outcome.kind === 'too_large' || outcome.kind === 'refused')
      throw new Error(`a step of ${options.connection} was not stored: ${outcome.detail}`)
    signal.throwIfAborted()
    await pauseFor(backOffMs(failures, retry, Math.random()), signal)
  }
}

/** Whether the connection has ever opened a log. */
export async function hasDeliveryLog(jsm: JetStreamManager, connection: string): Promise<boolean> {
  return (await lastStep({ jsm, connection })) !== undefined
}

async function lastStep({
  jsm,
  connection,
}: Pick<DeliveryLogOptions, 'jsm' | 'connection'>): Promise<StoredStep | undefined> {
  const found = await jsm.streams.getMessage(deliveriesStream, {
    last_by_subj: deliveriesSubject(connection),
  })
  return found === null ? undefined : stepOf(found.data, found.seq)
}

async function readSteps(
  { js, connection }: DeliveryLogOptions,
  from: number,
  to: number,
  signal: AbortSignal,
): Promise<StoredStep[]> {
  const stretch = { stream: deliveriesStream, filterSubject: deliveriesSubject(connection), from, to }
  const steps: StoredStep[] = []
  for await (const message of readStretch(js, stretch, signal)) steps.push(stepOf(message.data, message.seq))
  if (steps.at(-1)?.sequence !== to)
    throw new Error(`${deliveriesStream} does not hold what was just written to it`)
  return steps
}

function stepOf(bytes: Uint8Array, sequence: number): StoredStep {
  return { ...deliveryStepSchema.parse(JSON.parse(new TextDecoder().decode(bytes))), sequence }
}
