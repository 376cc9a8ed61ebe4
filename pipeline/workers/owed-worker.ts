// A thread that reads the owed amounts of all usage charges from a partition's stored state. It answers one request and
// ends, so that no thread that rates or publishes waits for it.

import { formatScaled } from '../../schemas/money/decimal.js'
import { usageChargesOf } from '../core/state/partition-state.js'
import { transfer } from '../memory/transfer.js'
import { bufferOf } from './protocol.js'

export interface OwedTask {
  readonly snapshot: Uint8Array | undefined
  /** The deltas after the snapshot, in their order. */
  readonly deltas: readonly Uint8Array[]
}

const linesEach = 10_000

/** One line of JSON per charge, as ClickHouse reads them. */
export function owedLines({ snapshot, deltas }: OwedTask): unknown {
  const pieces: Buffer[] = []
  let lines: string[] = []
  const cut = (): void => {
    if (lines.length > 0) pieces.push(Buffer.from(`${lines.join('\n')}\n`))
    lines = []
  }
  for (const { chargeId, customerId, currency, emitted } of usageChargesOf(snapshot, deltas)) {
    const line = { charge_id: chargeId, customer_id: customerId, currency, owed: formatScaled(emitted) }
    lines.push(JSON.stringify(line))
    if (lines.length === linesEach) cut()
  }
  cut()
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let end = 0
  for (const piece of pieces) {
    bytes.set(piece, end)
    end += piece.length
  }
  return transfer(bytes, [bufferOf(bytes)])
}
