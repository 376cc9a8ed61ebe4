// What the input streams still hold.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { HeldInput } from './replay-request.js'

export async function heldInput(jsm: JetStreamManager): Promise<HeldInput> {
  const [catalog, lifecycle, metering] = await Promise.all(
    ['CATALOG', 'LIFECYCLE', 'METERING'].map(async name => (await jsm.streams.info(name)).state),
  )
  const oldest = { seq: metering!.first_seq, next_by_subj: '>' }
  const first = await jsm.streams.getMessage('METERING', oldest)
  return {
    changesWhole: catalog!.first_seq <= 1 && lifecycle!.first_seq <= 1,
    usageWhole: metering!.first_seq <= 1,
    usageFromMs: first?.time.getTime(),
  }
}
