// The keys of a bucket, as the broker tells of its stream. The client's own listing makes a consumer each time, which the
// broker keeps for minutes: who asks often runs into its limit of consumers.
// A key that was deleted is among them; use it where keys stay.

import type { JetStreamManager } from '@nats-io/jetstream'

/** `filter` as of `KV.keys`: `run.*`. */
export async function bucketKeys(jsm: JetStreamManager, bucket: string, filter: string): Promise<string[]> {
  const prefix = `$KV.${bucket}.`
  const info = await jsm.streams.info(`KV_${bucket}`, { subjects_filter: `${prefix}${filter}` })
  return Object.keys(info.state.subjects ?? {})
    .map(natsSubject => natsSubject.slice(prefix.length))
    .sort()
}
