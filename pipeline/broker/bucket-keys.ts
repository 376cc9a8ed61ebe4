// Lists the keys of a bucket from the subjects of its stream. The client's own listing makes a consumer each
// time, which the broker keeps for minutes, so that frequent listing reaches the limit of consumers. The list
// includes deleted keys; use it only for buckets whose keys are never deleted.

import type { JetStreamManager } from '@nats-io/jetstream'

/** `filter` is a pattern as for `KV.keys`, such as `run.*`. */
export async function bucketKeys(jsm: JetStreamManager, bucket: string, filter: string): Promise<string[]> {
  const prefix = `$KV.${bucket}.`
  const info = await jsm.streams.info(`KV_${bucket}`, { subjects_filter: `${prefix}${filter}` })
  return Object.keys(info.state.subjects ?? {})
    .map(natsSubject => natsSubject.slice(prefix.length))
    .sort()
}
