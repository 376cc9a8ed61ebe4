// The prefix of our keys at a receiver, as it was when a record was sent. A setting that changes while a record is unclear must
// not hide what was sent under the old one, so it is kept with the delivery, as a place.

import type { Placed, SentRecord } from './connector.js'

interface Prefixed {
  readonly prefix: string
}

export function prefixPlace({ prefix }: Prefixed): Promise<Placed> {
  return Promise.resolve({ kind: 'placed', place: { prefix } })
}

/** The settings with the prefix under which this record was sent; the one of now where none was kept. */
export function settingsOf<Settings extends Prefixed>(settings: Settings, { place }: SentRecord): Settings {
  const prefix = place?.['prefix'] ?? settings.prefix
  return prefix === settings.prefix ? settings : { ...settings, prefix }
}
