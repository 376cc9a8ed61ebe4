// A billed charge as bytes: its texts are numbers of a table, so that the ten charges of a subscription do not hold ten copies
// of its names.
// Invariant: what was written is read back equal, every field that a charge can have included.

import { type Charge, chargeKinds } from '../../../schemas/billing/charge.js'
import { extrasFrom, extrasText } from './billed-extras.js'
import type { ByteReader, ByteWriter } from './byte-writer.js'
import type { SealedCharge } from './records.js'

/** Each text once, by its number. */
export class TextTable {
  readonly #texts: string[]
  readonly #numbers = new Map<string, number>()

  constructor(texts: readonly string[] = []) {
    this.#texts = [...texts]
    for (const [number, text] of texts.entries()) this.#numbers.set(text, number)
  }

  get texts(): readonly string[] {
    return this.#texts
  }

  numberOf(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    const number = this.#texts.length
    this.#texts.push(text)
    this.#numbers.set(text, number)
    return number
  }

  textOf(number: number): string {
    const text = this.#texts[number]
    if (text === undefined) throw new Error(`there is no text ${number}`)
    return text
  }
}

/** The kind has the lowest two bits and, from the fifth on, `laterKind`: older states have none of those. */
const inAdvance = 4
const closed = 8
const corrects = 16
const ofRun = 32
const laterKind = 64
const hasExtras = 128
/** All of it was credited. */
const nothingBilled = 255

export function writeBilled(out: ByteWriter, texts: TextTable, { chargeId, billed }: SealedCharge): void {
  out.text(chargeId)
  if (billed === undefined) {
    out.byte(nothingBilled)
    return
  }
  const extras = extrasText(billed)
  out.byte(
    kindBits(chargeKinds.indexOf(billed.kind)) +
      (billed.timing === 'in_advance' ? inAdvance : 0) +
      (billed.status === 'closed' ? closed : 0) +
      (billed.corrects === undefined ? 0 : corrects) +
      (billed.billingRunId === undefined ? 0 : ofRun) +
      (extras === undefined ? 0 : hasExtras),
  )
  for (const text of textsOf(billed)) out.whole(texts.numberOf(text))
  out.whole(billed.subscriptionVersion)
  out.whole(billed.planVersion)
  for (const value of [billed.fromNs, billed.untilNs, billed.quantity, billed.amount, billed.amountRounded])
    out.big(value)
  if (billed.corrects !== undefined) out.text(billed.corrects)
  if (billed.billingRunId !== undefined) out.whole(texts.numberOf(billed.billingRunId))
  if (extras !== undefined) out.text(extras)
}

export function readBilled(bytes: ByteReader, texts: TextTable, customerId: string): SealedCharge {
  const chargeId = bytes.text()
  const flags = bytes.byte()
  if (flags === nothingBilled) return { chargeId, customerId, billed: undefined }
  const text = (): string => texts.textOf(bytes.whole())
  const billed: Charge = {
    chargeId,
    customerId,
    subscriptionId: text(),
    entityId: text(),
    contractId: text(),
    correlationId: text(),
    plan: text(),
    price: text(),
    meter: text(),
    timezone: text(),
    currency: text(),
    kind: chargeKinds[(flags & 3) + ((flags & laterKind) === 0 ? 0 : 4)]!,
    timing: (flags & inAdvance) === 0 ? 'in_arrears' : 'in_advance',
    status: (flags & closed) === 0 ? 'open' : 'closed',
    subscriptionVersion: bytes.whole(),
    planVersion: bytes.whole(),
    fromNs: bytes.big(),
    untilNs: bytes.big(),
    quantity: bytes.big(),
    amount: bytes.big(),
    amountRounded: bytes.big(),
    ...((flags & corrects) === 0 ? {} : { corrects: bytes.text() }),
    ...((flags & ofRun) === 0 ? {} : { billingRunId: text() }),
    ...((flags & hasExtras) === 0 ? {} : extrasFrom(bytes.text())),
  }
  return { chargeId, customerId, billed }
}

function kindBits(kind: number): number {
  return (kind & 3) + (kind < 4 ? 0 : laterKind)
}

/** In the order in which they are read. */
function textsOf(charge: Charge): readonly string[] {
  const { subscriptionId, entityId, contractId, correlationId, plan, price, meter, timezone, currency } =
    charge
  return [subscriptionId, entityId, contractId, correlationId, plan, price, meter, timezone, currency]
}
