// What a receiver must have in the end: read from the stream that Weir reads, message by message, and put into the receiver's
// terms here a second time, so that a mistake of a connector shows.

import { parse } from 'yaml'
import { stableId } from '../../../schemas/identifiers.js'
import type { RecordsChoice } from '../../../sinks/connector-kind.js'
import type { BookedDocument, BookedLine } from '../../../sinks/testing/booked.js'

export interface ExpectedDocument extends BookedDocument {
  /** The key of the document that it has to come after. */
  readonly after?: string
}

export interface Terms {
  readonly feed: RecordsChoice
  /** The text of the mapping file of the connection. */
  readonly mapping: string
  /** Of a line of a batch. */
  readonly measure: 'amount' | 'quantity'
  readonly billed: 'customer' | 'subscription'
  /** Receivables of a journal are booked to the customer, whose own account the receiver knows. */
  readonly toDebtors: boolean
}

interface Journal {
  readonly journal_id: string
  readonly idempotency_key: string
  readonly charge_id: string
  readonly customer_id: string
  readonly corrects?: string
  readonly currency: string
  readonly lines: readonly {
    readonly account: string
    readonly role: string
    readonly debit: string
    readonly credit: string
  }[]
}

interface Batch {
  readonly batch_id: string
  readonly lines: readonly {
    readonly charge_id: string
    readonly corrects?: string
    readonly currency: string
    readonly customer_id: string
    readonly subscription_id: string
    readonly quantity: string
    readonly amount_rounded: string
  }[]
}

/** How a customer stands, or a support case. */
interface WrittenBack {
  readonly exception_id?: string
  readonly number?: number
  readonly standing_id?: string
  readonly customer_id?: string
  readonly currencies?: readonly { readonly currency: string; readonly outstanding: string }[]
}

type Names = Readonly<Record<string, string>>

interface Read extends BookedDocument {
  readonly charge: string
  readonly corrects: string
}

export function expectedDocuments(messages: readonly unknown[], terms: Terms): ExpectedDocument[] {
  if (terms.feed === 'customer_standings' || terms.feed === 'support_cases')
    return messages.map(message => ofWrittenBack(message as WrittenBack))
  const mapping = (parse(terms.mapping) ?? {}) as Record<string, Record<string, string> | undefined>
  const read = messages.flatMap(message =>
    terms.feed === 'batch_lines'
      ? ofBatch(message as Batch, terms, mapping['customers'] ?? {})
      : [
          ofJournal(
            message as Journal,
            mapping['accounts'] ?? {},
            terms.toDebtors ? mapping['customers'] : {},
          ),
        ],
  )
  const keyOfCharge = new Map(read.map(({ charge, key }) => [charge, key]))
  return read.map(({ key, lines, corrects }) => {
    const after = corrects === '' ? undefined : keyOfCharge.get(corrects)
    return { key, lines, ...(after === undefined ? {} : { after }) }
  })
}

/** A customer is called as its object there. */
function ofWrittenBack({
  exception_id,
  number,
  standing_id,
  customer_id,
  currencies,
}: WrittenBack): ExpectedDocument {
  if (exception_id !== undefined) return { key: `${exception_id}-${number ?? ''}`, lines: [] }
  const lines = (currencies ?? []).map(({ currency, outstanding }) => {
    return { currency, account: customer_id ?? '', amount: outstanding }
  })
  return { key: standing_id ?? '', lines }
}

function ofJournal(journal: Journal, accounts: Names, debtors: Names = {}): Read {
  const { currency, charge_id: charge, corrects = '', idempotency_key: key } = journal
  const debtor = debtors[journal.customer_id]
  const lines = journal.lines.map(({ account, role, debit, credit }) => ({
    currency,
    account: (role === 'receivable' ? debtor : undefined) ?? accounts[account] ?? account,
    amount: debit === '0' ? `-${credit}` : debit,
  }))
  return { key, lines, charge, corrects }
}

function ofBatch({ batch_id, lines }: Batch, { measure, billed }: Terms, customers: Names): Read[] {
  return lines.map(line => {
    const { charge_id: charge, corrects = '', customer_id: customer } = line
    const one: BookedLine = {
      currency: measure === 'amount' ? line.currency : '',
      account: billed === 'customer' ? (customers[customer] ?? customer) : line.subscription_id,
      amount: measure === 'amount' ? line.amount_rounded : line.quantity,
    }
    return { key: stableId('bl', batch_id, charge), lines: [one], charge, corrects }
  })
}
