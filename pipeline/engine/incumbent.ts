// Who works on a partition right now, asked over core NATS: a courtesy between processes of the same installation, so
// that a second one stands by instead of fencing the first. Correctness rests on the fence alone.
//
// Invariant: silence is never proof; whoever claims after it may still be fenced or fence another, and nothing breaks.

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

/** The name of a living owner, undefined when nobody answers. No responders is known at once, without a wait. */
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
