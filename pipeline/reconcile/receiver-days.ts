// The sums of both sides by entity, currency, account of the receiver and day: what is delivered, and what is there.
// Where accounts are told, a sum is a balance (debits less credits); else one sum of a day is that of its debits or amounts.

import { compositeKey } from '../../schemas/identifiers.js'
import { formatScaled, parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import type { ReceiverDocument } from '../../sinks/connector.js'
import type { OurRecord } from './our-record.js'
import type { ReceiverDay } from './receiver-report.js'

interface Sum {
  readonly of: readonly [entity: string, currency: string, account: string, date: string]
  records: number
  ours: Scaled
  documents: number
  theirs: Scaled
}

/** Of a document whose accounts are known on one side alone. */
const anyAccount = '?'

export class ReceiverDays {
  readonly #byAccount: boolean
  readonly #sums = new Map<string, Sum>()

  constructor(byAccount: boolean) {
    this.#byAccount = byAccount
  }

  ours({ entityId, currency, date = '', amount = 0n, lines }: OurRecord): void {
    for (const [account, balance] of this.#linesOf(lines, amount)) {
      const sum = this.#sum(entityId, currency, account, date)
      sum.records += 1
      sum.ours += balance
    }
  }

  /** `record`: the one of ours that it is; a document of none has no entity. */
  theirs({ currency, date, debit, lines }: ReceiverDocument, record?: OurRecord): void {
    const told = lines?.map(({ account, balance }) => [account, scaled(balance)] as const)
    for (const [account, balance] of this.#linesOf(told, scaled(debit ?? '0'))) {
      const ofRecord = record?.currency ?? ''
      const sum = this.#sum(record?.entityId ?? '', currency ?? ofRecord, account, date ?? record?.date ?? '')
      sum.documents += 1
      sum.theirs += balance
    }
  }

  /** Those that differ come first. */
  list(): ReceiverDay[] {
    const all = [...this.#sums.values()].map(
      ({ of: [entity_id, currency, account, date], records, ours, documents, theirs }): ReceiverDay => ({
        ...{ entity_id, currency, account, date, records, ours: formatScaled(ours) },
        ...{ documents, theirs: formatScaled(theirs) },
      }),
    )
    const rank = (one: ReceiverDay): string =>
      [one.ours === one.theirs ? 1 : 0, one.entity_id, one.currency, one.date, one.account].join('\u0000')
    return all.sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
  }

  #linesOf(
    lines: readonly (readonly [string, Scaled])[] | undefined,
    amount: Scaled,
  ): readonly (readonly [string, Scaled])[] {
    if (!this.#byAccount) return [['', amount]]
    return lines ?? [[anyAccount, amount]]
  }

  #sum(...of: Sum['of']): Sum {
    const key = compositeKey(...of)
    const found = this.#sums.get(key) ?? { of, records: 0, ours: 0n, documents: 0, theirs: 0n }
    this.#sums.set(key, found)
    return found
  }
}

function scaled(text: string): Scaled {
  const parsed = parseDecimal(text)
  return parsed.kind === 'ok' ? parsed.value : 0n
}
