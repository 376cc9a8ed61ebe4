// Puts an answer to exceptions on record: messages of the stream RESOLUTIONS, which ClickHouse takes from there.
// Invariants:
// 1. It resolves when the answer is on disk at the broker. The same request again is the same answer: the last message
//    that names an exception holds, and the broker drops a repeated `id`.
// 2. Who answers has been put on the audit trail before (the routes, the jobs).

import type { JetStreamClient } from '@nats-io/jetstream'
import type { Resolution } from '../../schemas/exception-kinds.js'
import type { ResolutionMessage } from '../../schemas/exception-resolution.js'
import { natsSubjects } from '../broker/topology.js'
import type { Exception } from './read-exceptions.js'

export interface ResolutionRequest {
  readonly resolution: Resolution
  readonly reason: string
  readonly atMs: number
  /** The key that asked for it; absent on a gateway that needs none. */
  readonly key?: { readonly id: string; readonly name: string } | undefined
  readonly jobId?: string | undefined
  /** Unique to this request and the place of these exceptions in it, such as `<job>:<position>`. */
  readonly id: string
}

/** What an answer needs to know of the exception; a whole one will do. */
export type Answered = Pick<
  Exception,
  'exceptionId' | 'kind' | 'code' | 'eventSource' | 'eventId' | 'customerId' | 'revision'
> &
  Partial<Pick<Exception, 'recordId'>>

/** Exceptions of one message: far below the broker's largest, whatever the ids. */
const exceptionsOfMessage = 200

/** Answers the sequence of the last message; 0 when there was nothing to answer. */
export async function resolveExceptions(
  js: JetStreamClient,
  exceptions: readonly Answered[],
  { resolution, reason, atMs, key, jobId, id }: ResolutionRequest,
): Promise<number> {
  let last = 0
  for (let start = 0; start < exceptions.length; start += exceptionsOfMessage) {
    const message: ResolutionMessage = {
      resolution,
      at: new Date(atMs).toISOString(),
      ...(key === undefined ? {} : { key_id: key.id, key_name: key.name }),
      ...(jobId === undefined ? {} : { job_id: jobId }),
      reason,
      exceptions: exceptions.slice(start, start + exceptionsOfMessage).map(one => ({
        exception_id: one.exceptionId,
        kind: one.kind,
        code: one.code,
        event_source: one.eventSource,
        // What a source sent is named by its arrival.
        event_id: one.kind === 'waiting_arrival' ? (one.recordId ?? '') : one.eventId,
        customer_id: one.customerId,
        revision: one.revision,
      })),
    }
    const { seq } = await js.publish(natsSubjects.resolution(resolution), JSON.stringify(message), {
      msgID: `${resolution}:${id}:${start}`,
    })
    last = seq
  }
  return last
}
