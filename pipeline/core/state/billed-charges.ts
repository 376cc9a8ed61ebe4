// What stands billed of a partition's charges, by customer, as bytes outside of the heap (billed-memory.ts): a million charges
// are about 50 MB and nothing that the garbage collector walks through.
// Invariants: of the records of one charge the last one holds; deltas in their order, or a dump, restore the same charges.

import { Buffer } from 'node:buffer'
import { readBilled, TextTable, writeBilled } from './billed-charge.js'
import { BilledMemory, noRecord } from './billed-memory.js'
import { ByteReader, ByteWriter } from './byte-writer.js'
import type { SealedCharge } from './records.js'
import type { MapDelta } from './tracked-map.js'

interface BilledDelta extends MapDelta<SealedCharge> {
  /** Absent in what older versions wrote, which is `set`. */
  readonly billed?: { readonly texts: readonly string[]; readonly bytes: Uint8Array }
}

/** A part of a dump ends when it has so many. */
const partBytes = 1 << 20

interface Written {
  readonly customerId: string
  readonly at: number
}

export class BilledCharges {
  readonly #memory = new BilledMemory()
  /** By customer: the position of the newest record. */
  readonly #newest = new Map<string, number>()
  /** Since the last delta. */
  #written: Written[] = []

  get changed(): boolean {
    return this.#written.length > 0
  }

  get bytes(): number {
    return this.#memory.bytes
  }

  put(sealed: SealedCharge): void {
    const at = this.#add(sealed)
    this.#written.push({ customerId: sealed.customerId, at })
  }

  has(customerId: string, chargeId: string): boolean {
    for (const at of this.#positionsOf(customerId)) if (this.#memory.chargeIdAt(at) === chargeId) return true
    return false
  }

  /** What stands billed of each charge of the customer, by its id. */
  of(customerId: string): Map<string, SealedCharge> {
    const found = new Map<string, SealedCharge>()
    for (const at of this.#positionsOf(customerId)) {
      const sealed = this.#memory.read(customerId, at)
      if (!found.has(sealed.chargeId)) found.set(sealed.chargeId, sealed)
    }
    return found
  }

  takeDelta(): BilledDelta {
    const written = this.#written
    this.#written = []
    const part = new BilledPart()
    for (const { customerId, at } of written) part.add(this.#memory.read(customerId, at))
    return part.delta()
  }

  /** All of them, in deltas to be applied one after another; an empty one when there is none. */
  *dump(): IterableIterator<BilledDelta> {
    let part = new BilledPart()
    for (const customerId of this.#newest.keys()) {
      for (const sealed of this.of(customerId).values()) part.add(sealed)
      if (part.bytes < partBytes) continue
      yield part.delta()
      part = new BilledPart()
    }
    yield part.delta()
  }

  apply({ set, billed }: BilledDelta): void {
    for (const [, sealed] of set) this.#add(sealed)
    if (billed === undefined) return
    const texts = new TextTable(billed.texts)
    const reader = new ByteReader(billed.bytes)
    while (!reader.isAtEnd) {
      const customerId = texts.textOf(reader.whole())
      this.#add(readBilled(reader, texts, customerId))
    }
  }

  #add(sealed: SealedCharge): number {
    const at = this.#memory.add(sealed, this.#newest.get(sealed.customerId) ?? noRecord)
    this.#newest.set(sealed.customerId, at)
    return at
  }

  /** From the newest to the oldest. */
  *#positionsOf(customerId: string): Generator<number> {
    for (let at = this.#newest.get(customerId) ?? noRecord; at !== noRecord; at = this.#memory.before(at))
      yield at
  }
}

/** Charges as a delta has them. */
class BilledPart {
  readonly #texts = new TextTable()
  readonly #writer = new ByteWriter()

  get bytes(): number {
    return this.#writer.length
  }

  add(sealed: SealedCharge): void {
    this.#writer.whole(this.#texts.numberOf(sealed.customerId))
    writeBilled(this.#writer, this.#texts, sealed)
  }

  delta(): BilledDelta {
    const bytes = Buffer.from(this.#writer.written)
    return { set: [], deleted: [], billed: { texts: this.#texts.texts, bytes } }
  }
}
