// From the ledger's sealed lines to billing batches: grouped by entity and currency, in the order of the ledger, cut by count,
// and where the totals would take more than 38 digits.
// Invariant: the same lines in the same order give the same batches.

import { Buffer } from 'node:buffer'
import { type BillingBatch, batchIdOf, sealBatch } from '../../schemas/billing/billing-batch.js'
import { type SealedEnd, sealedEndSchema } from '../../schemas/billing/billing-run.js'
import { type Charge, chargeFromWire } from '../../schemas/billing/charge.js'
import { type Scaled, scaledMax } from '../../schemas/money/decimal.js'

export type SealedMessageLine =
  | { readonly kind: 'line'; readonly runId: string; readonly charge: Charge }
  /** A line that cannot be read; no billing batch can hold it. */
  | { readonly kind: 'unreadable'; readonly content: string; readonly detail: string }
  | { readonly kind: 'end'; readonly end: SealedEnd }

/** The ledger holds wrong sealed lines; a retry does not help. */
export class SealedLinesError extends Error {
  override readonly name = 'SealedLinesError'
}

/** The lines of one `ledger.<p>.sealed` message (NDJSON), each parsed separately. */
export function sealedMessageLines(bytes: Uint8Array): SealedMessageLine[] {
  return new TextDecoder('utf-8', { fatal: true })
    .decode(bytes)
    .split('\n')
    .filter(line => line !== '')
    .map(readLine)
}

function readLine(content: string): SealedMessageLine {
  const value = jsonOf(content)
  if (value instanceof SyntaxError) return { kind: 'unreadable', content, detail: value.message }
  if (isEnd(value)) {
    const end = sealedEndSchema.safeParse(value)
    if (end.success) return { kind: 'end', end: end.data }
  }
  const charge = chargeFromWire(value)
  if (charge.kind === 'rejected') return { kind: 'unreadable', content, detail: charge.rejection.detail }
  return { kind: 'line', runId: charge.value.billingRunId ?? '', charge: charge.value }
}

function isEnd(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'end' in value
}

/** The ends in a message; its other lines are not read. */
export function sealedEndsIn(bytes: Uint8Array): SealedEnd[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!text.includes('"end":true')) return []
  const lines = text.toString('utf8').split('\n')
  return lines
    .filter(line => line.includes('"end":true'))
    .map(readLine)
    .flatMap(line => (line.kind === 'end' ? [line.end] : []))
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    return error
  }
}

interface Group {
  readonly entityId: string
  readonly currency: string
  /** Lines of each batch. */
  readonly sizes: number[]
  amount: Scaled
  rounded: Scaled
}

/**
 * How the lines of a run are cut, by entity and currency, in the order in which they come. Every line is added once; then the
 * same lines in the same order are filled into batches. One charge alone has at most 38 digits, so every batch has one.
 */
export class BatchPlan {
  readonly #runId: string
  readonly #linesPerBatch: number
  readonly #groups = new Map<string, Group>()
  lines = 0

  constructor(runId: string, linesPerBatch: number) {
    this.#runId = runId
    this.#linesPerBatch = linesPerBatch
  }

  add({ entityId, currency, amount, amountRounded }: Charge): void {
    this.lines += 1
    const key = groupKey(entityId, currency)
    const group = this.#groups.get(key) ?? { entityId, currency, sizes: [], amount: 0n, rounded: 0n }
    this.#groups.set(key, group)
    group.amount += amount
    group.rounded += amountRounded
    const last = group.sizes.length - 1
    const size = group.sizes[last]
    if (
      size === undefined ||
      size === this.#linesPerBatch ||
      !isKept(group.amount) ||
      !isKept(group.rounded)
    ) {
      group.sizes.push(1)
      group.amount = amount
      group.rounded = amountRounded
    } else group.sizes[last] = size + 1
  }

  get batchIds(): Set<string> {
    const ids = new Set<string>()
    for (const { entityId, currency, sizes } of this.#groups.values())
      for (const at of sizes.keys())
        ids.add(batchIdOf({ billingRunId: this.#runId, entityId, currency, number: at + 1 }))
    return ids
  }

  /** Takes the lines again, one by one, and answers a batch with its last line. Holds the lines of open batches alone. */
  filler(): (charge: Charge) => BillingBatch | undefined {
    const open = new Map<string, { lines: Charge[]; number: number }>()
    return charge => {
      const { entityId, currency } = charge
      const key = groupKey(entityId, currency)
      const sizes = this.#groups.get(key)?.sizes ?? []
      const batch = open.get(key) ?? { lines: [], number: 1 }
      open.set(key, batch)
      batch.lines.push(charge)
      const size = sizes[batch.number - 1]
      if (size === undefined) throw new SealedLinesError(`the ledger had no line ${charge.chargeId} before`)
      if (batch.lines.length < size) return undefined
      open.set(key, { lines: [], number: batch.number + 1 })
      const { number, lines } = batch
      return sealBatch({ billingRunId: this.#runId, entityId, currency, number, of: sizes.length, lines })
    }
  }
}

function groupKey(entityId: string, currency: string): string {
  return `${currency} ${entityId}`
}

function isKept(total: Scaled): boolean {
  return -scaledMax <= total && total <= scaledMax
}
