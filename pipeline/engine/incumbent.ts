// Asks over core NATS which process works on a partition, so that a second process of the installation stands
// by instead of fencing the first. Correctness rests on the fence alone.
//
// Invariant: silence proves nothing. Who claims after it may fence another or be fenced; both are safe.

import { errors, type NatsConnection } from '@nats-io/transport-node'
import { natsSubjects } from '../broker/topology.js'
import type { EngineLimits } from '../config/limits.js'

/** Answers for the partition until the returned function is called. */
export function answerAsOwner(nc: NatsConnection, partition: number, owner: string): () => void {
  const subscription = nc.subscribe(natsSubjects.owner(partition), {
    callback: (_error, msg) => void msg.respond(owner),
  })
  return () => subscription.unsubscribe()
}

/** The name of the owner that answers; undefined when none does. "No responders" ends the wait at once. */
export async function findOwner(
  nc: NatsConnection,
  partition: number,
  limits: EngineLimits,
): Promise<string | undefined> {
  for (let probe = 0; probe < limits.ownerProbes; probe += 1) {
    try {
      const answer = await nc.request(natsSubjects.owner(partition), undefined, {
        timeout: limits.ownerProbeMs,
      })
      return answer.string()
    } catch (error) {
      if (error instanceof errors.RequestError && error.isNoResponders()) return undefined
      if (error instanceof errors.NoRespondersError) return undefined
      if (!(error instanceof errors.TimeoutError)) throw error
    }
  }
  return undefined
}
