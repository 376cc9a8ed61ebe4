// A line of a billing batch as a record of its own, for receivers that take lines one by one.

import type { ChargeWire } from './charge.js'

export interface BatchLineWire extends ChargeWire {
  readonly batch_id: string
}
