// Which batches of a run are acknowledged: over HTTP, which keeps when and by which key, or over NATS, where the consumer of
// `BILLING` keeps how far its reader is.
// Invariant: the first acknowledgement of a batch is kept; each further one changes nothing.

import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
} from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { type Acknowledgement, acknowledgementFromText } from '../../schemas/billing/acknowledgement.js'
import { type PublishedBatch, runKeys, runsBucket } from '../../schemas/billing/billing-run.js'
import { formatInstantMs } from '../../schemas/time.js'
import { bucketKeys } from '../broker/bucket-keys.js'
import { readerName } from '../broker/durable-consumers.js'
import { readStretch } from '../broker/read-stream.js'
import type { AuditTrail } from '../gateway/audit-trail.js'
import type { Caller } from '../gateway/scopes.js'

export interface AcknowledgementsOptions {
  readonly jsm: JetStreamManager
  /** The bucket `weir_runs`. */
  readonly runs: KV
  readonly nowMs: () => number
  readonly audit: AuditTrail
}

export class Acknowledgements {
  readonly #options: AcknowledgementsOptions

  constructor(options: AcknowledgementsOptions) {
    this.#options = options
  }

  /** Returns the acknowledgement that is kept, which may be an earlier one. */
  async keep(runId: string, batchId: string, caller: Caller): Promise<Acknowledgement> {
    const { runs, nowMs, audit } = this.#options
    const name = runKeys.acknowledged(runId, batchId)
    const before = await runs.get(name)
    if (before !== null) return acknowledgementFromText(before.string())
    const { keyId: id, keyName = '' } = caller
    const acknowledgement: Acknowledgement = {
      acknowledged_at: formatInstantMs(nowMs()),
      acknowledged_by: id === undefined ? null : { kind: 'api_key', id, name: keyName },
    }
    const object = { kind: 'billing_batch', id: batchId }
    const act = 'billing_batch.acknowledged'
    await audit.record({ caller, act, object, after: { billing_run_id: runId, ...acknowledgement } })
    try {
      await runs.create(name, JSON.stringify(acknowledgement))
      return acknowledgement
    } catch (error) {
      const kept = await runs.get(name)
      if (kept === null) throw error
      return acknowledgementFromText(kept.string())
    }
  }

  /** Whether anybody ever acknowledged a batch. */
  async areGiven(): Promise<boolean> {
    const { jsm } = this.#options
    if ((await bucketKeys(jsm, runsBucket, runKeys.acknowledged('*', '*'))).length > 0) return true
    return (await this.#readTo()).sequence > 0
  }

  /** How many of these batches are. */
  async countOf(runId: string, batches: readonly PublishedBatch[]): Promise<number> {
    if (batches.length === 0 || batches[0]!.stream_sequence === 0) return 0
    const { jsm } = this.#options
    const keys = new Set(await bucketKeys(jsm, runsBucket, runKeys.acknowledged(runId, '*')))
    const { sequence } = await this.#readTo()
    const isTaken = (one: PublishedBatch) =>
      one.stream_sequence <= sequence || keys.has(runKeys.acknowledged(runId, one.batch_id))
    return batches.filter(isTaken).length
  }

  /** By batch; one that is not acknowledged is not in it. Batches of a preview are on no stream. */
  async of(runId: string, batches: readonly PublishedBatch[]): Promise<ReadonlyMap<string, Acknowledgement>> {
    const found = new Map<string, Acknowledgement>()
    if (batches.length === 0 || batches[0]!.stream_sequence === 0) return found
    const floor = await this.#readTo()
    for (const { batch_id, stream_sequence } of batches) {
      const kept = await this.#options.runs.get(runKeys.acknowledged(runId, batch_id))
      if (kept !== null) found.set(batch_id, acknowledgementFromText(kept.string()))
      else if (stream_sequence <= floor.sequence) found.set(batch_id, overNats(stream_sequence, floor))
    }
    return found
  }

  /** Up to where the reader of `BILLING` has acknowledged all. */
  async #readTo(): Promise<ReadTo> {
    try {
      const { ack_floor: floor } = await this.#options.jsm.consumers.info('BILLING', readerName)
      // An instant in RFC 3339, whatever the client's type of it says; absent before the first acknowledgement.
      return { sequence: floor.stream_seq, atMs: Date.parse(String(floor.last_active)) }
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound)
        return { sequence: 0, atMs: Number.NaN }
      throw error
    }
  }
}

interface ReadTo {
  readonly sequence: number
  /** When it got there; NaN when that is not known. */
  readonly atMs: number
}

function overNats(sequence: number, { sequence: last, atMs }: ReadTo): Acknowledgement {
  return {
    acknowledged_at: sequence === last && Number.isFinite(atMs) ? formatInstantMs(atMs) : null,
    acknowledged_by: { kind: 'nats_consumer', id: readerName },
  }
}

/** A reader of `BILLING` may have a batch before the progress of its run says that it is published. */
export async function isOnStream(js: JetStreamClient, runId: string, batchId: string): Promise<boolean> {
  if (!/^br_[0-9a-f]+$/.test(runId)) return false
  const stretch = {
    stream: 'BILLING',
    filterSubject: `billing.*.${runId}`,
    from: 1,
    headersOnly: true,
  } as const
  for await (const { headers } of readStretch(js, stretch, new AbortController().signal))
    if (headers?.get('weir-batch') === batchId) return true
  return false
}
