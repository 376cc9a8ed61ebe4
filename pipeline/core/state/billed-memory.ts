// What stands billed as it lies in memory: some 45 bytes for a charge. What the charges of a plan have in common, and their
// periods, are numbers of tables; the ids of a subscription are written once for all of its charges.
// A record is never changed: a charge that is billed anew has a further one. Each names the record before it of its customer.
// Invariant: what was added is read back equal, every field that a charge can have included.

import { Buffer } from 'node:buffer'
import type { Charge } from '../../../schemas/billing/charge.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import { TextTable } from './billed-charge.js'
import { extrasFrom, extrasText } from './billed-extras.js'
import { ByteReader, ByteWriter } from './byte-writer.js'
import type { SealedCharge } from './records.js'

/** What the charges of one price have in common, whoever pays them. */
type Terms = Pick<
  Charge,
  | 'entityId'
  | 'plan'
  | 'planVersion'
  | 'price'
  | 'meter'
  | 'timezone'
  | 'currency'
  | 'kind'
  | 'timing'
  | 'status'
>
type Period = Pick<Charge, 'fromNs' | 'untilNs'>
type Owner = Pick<Charge, 'subscriptionId' | 'contractId' | 'correlationId'>

/** The position of no record. */
export const noRecord = -1
const blockBytes = 1 << 18
/** Further ones are written out in each record, because a key in a table takes more than that. */
const defaultShared = 4_096
const idPrefix = 'ch_'
const hexId = /^ch_[0-9a-f]{32}$/
const flag = {
  hex: 1,
  billed: 2,
  corrects: 4,
  ofRun: 8,
  sameRounded: 16,
  terms: 32,
  period: 64,
  extras: 128,
} as const

interface Head {
  readonly flags: number
  readonly chargeId: string
  /** Behind the id. */
  readonly reader: ByteReader
}

export class BilledMemory {
  /** A position is the number of the block, times its size, and the place in it. A record lies in one block. */
  readonly #blocks: Buffer[] = []
  #end = 0
  readonly #texts = new TextTable()
  readonly #terms: Shared<Terms>
  readonly #periods: Shared<Period>
  readonly #writer = new ByteWriter()

  constructor(mostShared = defaultShared) {
    this.#terms = new Shared(mostShared)
    this.#periods = new Shared(mostShared)
  }

  get bytes(): number {
    return this.#blocks.length * blockBytes
  }

  /** Returns the position. `before`: of the customer's newest record. */
  add({ chargeId, billed }: SealedCharge, before: number): number {
    const ownerAt =
      billed === undefined ? noRecord : (this.#ownerAt(billed, before) ?? this.#addOwner(billed))
    const writer = this.#writer
    writer.clear()
    const extras = billed && extrasText(billed)
    const at = this.#placeFor(mostBytesOf(chargeId, billed) + 3 * (extras?.length ?? 0))
    writer.whole(before === noRecord ? 0 : at - before)
    const isHex = hexId.test(chargeId)
    const terms = billed && this.#terms.numberOf(termsKey(billed), () => termsOf(billed))
    const period = billed && this.#periods.numberOf(periodKey(billed), () => periodOf(billed))
    writer.byte(
      (isHex ? flag.hex : 0) |
        (billed === undefined ? 0 : flag.billed) |
        (billed?.corrects === undefined ? 0 : flag.corrects) |
        (billed?.billingRunId === undefined ? 0 : flag.ofRun) |
        (billed?.amountRounded === billed?.amount ? flag.sameRounded : 0) |
        (terms === undefined ? 0 : flag.terms) |
        (period === undefined ? 0 : flag.period) |
        (extras === undefined ? 0 : flag.extras),
    )
    if (isHex) writer.hex(chargeId.slice(idPrefix.length))
    else writer.text(chargeId)
    if (billed !== undefined) this.#writeBilled(billed, at - ownerAt, terms, period)
    if (extras !== undefined) writer.text(extras)
    this.#store(at)
    return at
  }

  /** The record before it of its customer. */
  before(at: number): number {
    const distance = this.#readerAt(at).whole()
    return distance === 0 ? noRecord : at - distance
  }

  chargeIdAt(at: number): string {
    return this.#head(at).chargeId
  }

  read(customerId: string, at: number): SealedCharge {
    const { chargeId, flags, reader } = this.#head(at)
    if ((flags & flag.billed) === 0) return { chargeId, customerId, billed: undefined }
    const owner = this.#owner(at - reader.whole())
    const subscriptionVersion = reader.whole()
    const terms = (flags & flag.terms) === 0 ? this.#readTerms(reader) : this.#terms.of(reader.whole())
    const period =
      (flags & flag.period) === 0
        ? { fromNs: reader.big(), untilNs: reader.big() }
        : this.#periods.of(reader.whole())
    const quantity = reader.amount()
    const amount = reader.amount()
    const billed: Charge = {
      chargeId,
      customerId,
      ...owner,
      subscriptionVersion,
      ...terms,
      ...period,
      quantity,
      amount,
      amountRounded: (flags & flag.sameRounded) === 0 ? reader.amount() : amount,
      ...((flags & flag.corrects) === 0 ? {} : { corrects: reader.text() }),
      ...((flags & flag.ofRun) === 0 ? {} : { billingRunId: this.#texts.textOf(reader.whole()) }),
      ...((flags & flag.extras) === 0 ? {} : extrasFrom(reader.text())),
    }
    return { chargeId, customerId, billed }
  }

  #writeBilled(billed: Charge, owner: number, terms: number | undefined, period: number | undefined): void {
    const writer = this.#writer
    writer.whole(owner)
    writer.whole(billed.subscriptionVersion)
    if (terms === undefined) this.#writeTerms(billed)
    else writer.whole(terms)
    if (period === undefined) {
      writer.big(billed.fromNs)
      writer.big(billed.untilNs)
    } else writer.whole(period)
    writer.amount(billed.quantity)
    writer.amount(billed.amount)
    if (billed.amountRounded !== billed.amount) writer.amount(billed.amountRounded)
    if (billed.corrects !== undefined) writer.text(billed.corrects)
    if (billed.billingRunId !== undefined) writer.whole(this.#texts.numberOf(billed.billingRunId))
  }

  #writeTerms(terms: Terms): void {
    const { entityId, plan, price, meter, timezone, currency, kind, timing, status } = terms
    for (const text of [entityId, plan, price, meter, timezone, currency, kind, timing, status])
      this.#writer.whole(this.#texts.numberOf(text))
    this.#writer.whole(terms.planVersion)
  }

  #readTerms(from: ByteReader): Terms {
    const text = (): string => this.#texts.textOf(from.whole())
    return {
      entityId: text(),
      plan: text(),
      price: text(),
      meter: text(),
      timezone: text(),
      currency: text(),
      kind: text() as Terms['kind'],
      timing: text() as Terms['timing'],
      status: text() as Terms['status'],
      planVersion: from.whole(),
    }
  }

  /** Where the ids of the charge's subscription stand, which an earlier record of the customer names. */
  #ownerAt(charge: Owner, newest: number): number | undefined {
    let last = noRecord
    for (let at = newest; at !== noRecord; at = this.before(at)) {
      const { flags, reader } = this.#head(at)
      if ((flags & flag.billed) === 0) continue
      const ownerAt = at - reader.whole()
      if (ownerAt === last) continue
      last = ownerAt
      const { subscriptionId, contractId, correlationId } = this.#owner(ownerAt)
      if (
        subscriptionId === charge.subscriptionId &&
        contractId === charge.contractId &&
        correlationId === charge.correlationId
      )
        return ownerAt
    }
    return undefined
  }

  #addOwner({ subscriptionId, contractId, correlationId }: Owner): number {
    const writer = this.#writer
    writer.clear()
    for (const text of [subscriptionId, contractId, correlationId]) writer.text(text)
    const at = this.#placeFor(writer.length)
    this.#store(at)
    return at
  }

  #owner(at: number): Owner {
    const reader = this.#readerAt(at)
    return { subscriptionId: reader.text(), contractId: reader.text(), correlationId: reader.text() }
  }

  #head(at: number): Head {
    const reader = this.#readerAt(at)
    reader.whole() // how far back the record before it is
    const flags = reader.byte()
    const chargeId = (flags & flag.hex) === 0 ? reader.text() : idPrefix + reader.hex(16)
    return { flags, chargeId, reader }
  }

  /** Where so many bytes lie in one block. */
  #placeFor(bytes: number): number {
    if (bytes > blockBytes) throw new Error(`a billed charge takes up to ${bytes} bytes`)
    const isFull = this.#end % blockBytes === 0 || (this.#end % blockBytes) + bytes > blockBytes
    if (!isFull) return this.#end
    this.#blocks.push(Buffer.alloc(blockBytes))
    return (this.#blocks.length - 1) * blockBytes
  }

  #store(at: number): void {
    const { written } = this.#writer
    this.#blocks.at(-1)!.set(written, at % blockBytes)
    this.#end = at + written.length
  }

  #readerAt(at: number): ByteReader {
    return new ByteReader(this.#blocks[Math.floor(at / blockBytes)]!, at % blockBytes)
  }
}

/** Values by number, each once. */
class Shared<T> {
  readonly #values: T[] = []
  readonly #numbers = new Map<string, number>()
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  /** Undefined: the table is full. */
  numberOf(key: string, make: () => T): number | undefined {
    const known = this.#numbers.get(key)
    if (known !== undefined || this.#values.length >= this.#most) return known
    this.#numbers.set(key, this.#values.length)
    return this.#values.push(make()) - 1
  }

  of(number: number): T {
    return this.#values[number]!
  }
}

function termsKey(charge: Terms): string {
  const { entityId, plan, planVersion, price, meter, timezone, currency, kind, timing, status } = charge
  return compositeKey(entityId, plan, planVersion, price, meter, timezone, currency, kind, timing, status)
}

function termsOf(charge: Terms): Terms {
  const { entityId, plan, planVersion, price, meter, timezone, currency, kind, timing, status } = charge
  return { entityId, plan, planVersion, price, meter, timezone, currency, kind, timing, status }
}

function periodKey({ fromNs, untilNs }: Period): string {
  return `${fromNs} ${untilNs}`
}

function periodOf({ fromNs, untilNs }: Period): Period {
  return { fromNs, untilNs }
}

/** No record of it is longer: its texts, and what numbers can take. */
function mostBytesOf(chargeId: string, billed: Charge | undefined): number {
  return 512 + 3 * (chargeId.length + (billed?.corrects?.length ?? 0))
}
