// Collects the rows of one commit, table by table, and turns them into ledger messages of bounded size.
// Owns how our values become rows; its callers decide what is written and why.

import type { TakeMemory } from '../../../schemas/arrow/arrow-ipc.js'
import { encodeRows } from '../../../schemas/arrow/arrow-rows.js'
import type { Charge } from '../../../schemas/billing/charge.js'
import { discountTotal, discountToWire } from '../../../schemas/billing/discount.js'
import { madeUpForToWire } from '../../../schemas/billing/made-up-for.js'
import type { MrrMovement } from '../../../schemas/billing/mrr-movement.js'
import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { catalogHash } from '../../../schemas/catalog/catalog-hash.js'
import {
  type CatalogVersionRow,
  catalogVersionsTable,
} from '../../../schemas/catalog/catalog-versions-table.js'
import type { DispositionCounts } from '../../../schemas/event/dispositions.js'
import { type AddedChargeRow, addedChargesTable } from '../../../schemas/lifecycle/added-charges-table.js'
import type { ChargeAdded } from '../../../schemas/lifecycle/charge-event.js'
import type {
  CustomerProfile,
  CustomerStatus,
  FxRate,
  InvoiceEvent,
} from '../../../schemas/lifecycle/lifecycle-event.js'
import type { PaymentEvent } from '../../../schemas/lifecycle/payment-event.js'
import type { TaxEvent } from '../../../schemas/lifecycle/tax-event.js'
import { type TaxTransactionRow, taxTransactionsTable } from '../../../schemas/lifecycle/tax-table.js'
import type { Rejection } from '../../../schemas/rejection.js'
import type { TableDescription } from '../../../schemas/table-description.js'
import * as tables from '../../../schemas/tables.js'
import type { CoreConfig, LedgerOutput } from '../ports/core-io.js'
import type { RatedRow } from '../rate/rate.js'
import type { KeptTerms } from '../state/rated-usage-terms.js'
import type { Attributes, Envelope } from '../state/records.js'
import {
  attributesOfScanned,
  type EventOutcomeColumns,
  outcomeRow,
  type ScannedMessage,
} from './event-outcome-columns.js'
import type { Outcome } from './outcome.js'
import { type PlainRow, plainUsageRow } from './plain-row.js'
import type { RatedUsageColumns } from './rated-usage-columns.js'
import { type RatedAt, ratedUsageRow } from './rated-usage-row.js'

export interface ContentHashes {
  readonly kept: string
  readonly sent: string
}

/** Sees every row before it is encoded; `simulate` and tests use it to look at rows. */
export interface RowTap {
  /** Rows go only to the tap; nothing is encoded. */
  readonly only?: boolean
  readonly rated?: (row: tables.RatedUsageRow) => void
  readonly deadLetter?: (row: tables.DeadLetterRow) => void
  readonly outcome?: (row: tables.EventOutcomeRow) => void
  readonly movement?: (row: tables.MrrMovementRow) => void
  readonly version?: (row: tables.SubscriptionVersionRow) => void
  readonly charge?: (row: tables.ChargeRow) => void
}

type SubscriptionVersion = Omit<tables.SubscriptionVersionRow, 'revision' | 'partition' | 'ledgerSequence'>

export class LedgerWriter {
  readonly #config: CoreConfig
  readonly #nowMs: number
  readonly #commit: number
  readonly #ratedAt: RatedAt
  readonly #origin: { readonly partition: number; readonly ledgerSequence: number }
  readonly #tap: RowTap | undefined
  readonly #ratedUsage: RatedUsageColumns
  readonly #outcomes: EventOutcomeColumns
  /** Full chunks of rated usage and outcomes. */
  readonly #outputs: LedgerOutput[] = []
  readonly #versions: tables.SubscriptionVersionRow[] = []
  readonly #charges: tables.ChargeRow[] = []
  readonly #movements: tables.MrrMovementRow[] = []
  readonly #payments: tables.PaymentRow[] = []
  readonly #invoices: tables.InvoiceRow[] = []
  readonly #customers: tables.CustomerRow[] = []
  readonly #customerStatuses: tables.CustomerStatusRow[] = []
  readonly #taxes: TaxTransactionRow[] = []
  readonly #addedCharges: AddedChargeRow[] = []
  readonly #deadLetters: tables.DeadLetterRow[] = []
  readonly #fxRates: tables.FxRateRow[] = []
  readonly #meters: tables.MeterRow[] = []
  readonly #catalogVersions: CatalogVersionRow[] = []
  readonly #dispositions: tables.EventDispositionsRow[] = []
  readonly #sealed: string[][] = []

  /** Both columns are emptied first, because their memory is reused by every commit. */
  constructor(
    config: CoreConfig,
    at: { nowMs: number; commit: number; memory?: TakeMemory },
    tap: RowTap | undefined,
    ratedUsage: RatedUsageColumns,
    outcomes: EventOutcomeColumns,
  ) {
    this.#config = config
    this.#ratedUsage = ratedUsage
    ratedUsage.clear()
    ratedUsage.writeInto(at.memory)
    this.#nowMs = at.nowMs
    this.#commit = at.commit
    this.#origin = { partition: config.partition, ledgerSequence: at.commit }
    this.#ratedAt = { ratedAtMs: at.nowMs, ...this.#origin }
    this.#tap = tap
    this.#outcomes = outcomes
    outcomes.begin(this.#ratedAt)
  }

  /** The hot path: a row object is made only for the tap. */
  rated(rated: RatedRow): void {
    if (this.#tap?.only !== true) this.#ratedUsage.add(rated, this.#ratedAt, this.#outputs)
    this.#tap?.rated?.(ratedUsageRow(rated, this.#ratedAt))
  }

  /** The same for a plain event. */
  ratedPlain(row: PlainRow): void {
    if (this.#tap?.only !== true) this.#ratedUsage.addScanned(row, this.#ratedAt, this.#outputs)
    this.#tap?.rated?.(plainUsageRow(row, this.#ratedUsage.termsOf(row.terms), this.#ratedAt))
  }

  /** Where plain rows keep their terms. */
  get terms(): KeptTerms {
    return this.#ratedUsage
  }

  version(version: SubscriptionVersion): void {
    const row = { ...version, revision: this.#commit, ...this.#origin }
    this.#versions.push(row)
    this.#tap?.version?.(row)
  }

  movement(movement: MrrMovement): void {
    const row = { ...movement, recordedAtMs: this.#nowMs, ...this.#origin }
    this.#movements.push(row)
    this.#tap?.movement?.(row)
  }

  charge(charge: Charge): void {
    const { fromNs: periodFromNs, untilNs: periodUntilNs, discounts, madeUpFor, ...rest } = charge
    const row: tables.ChargeRow = {
      ...rest,
      periodFromNs,
      periodUntilNs,
      corrects: charge.corrects ?? '',
      billingRunId: charge.billingRunId ?? '',
      discountAmount: discountTotal(discounts),
      discounts: discounts === undefined ? '' : JSON.stringify(discounts.map(discountToWire)),
      makesUpFor: madeUpFor === undefined ? '' : JSON.stringify(madeUpForToWire(madeUpFor)),
      recordedAtMs: this.#nowMs,
      ...this.#origin,
    }
    this.#charges.push(row)
    this.#tap?.charge?.(row)
  }

  /** `lines` are JSON texts; the last one ends the billing run. Each run has its own ledger messages. */
  sealed(lines: string[]): void {
    this.#sealed.push(lines)
  }

  deadLetter(envelope: Envelope, rejection: Rejection, change: 1 | -1, hashes?: ContentHashes): void {
    const at = rejection.pointer === undefined ? '' : ` (${rejection.pointer})`
    const row: tables.DeadLetterRow = {
      eventSource: envelope.source,
      eventId: envelope.id,
      eventType: envelope.type,
      code: rejection.code,
      detail: `${rejection.detail}${at}`,
      pointer: rejection.pointer ?? '',
      customerId: envelope.customerId,
      eventTimeNs: envelope.timeNs,
      ingestedAtMs: envelope.arrivedAtMs,
      recordedAtMs: this.#nowMs,
      contentHash: hashes?.sent ?? '',
      otherContentHash: hashes?.kept ?? '',
      payload: envelope.payload,
      eventCount: change,
      correlationId: envelope.correlationId,
      inputStream: envelope.input.stream,
      inputSequence: envelope.input.sequence,
      ...this.#origin,
    }
    this.#deadLetters.push(row)
    this.#tap?.deadLetter?.(row)
  }

  outcome(event: Attributes, outcome: Outcome): void {
    if (this.#tap?.only !== true) this.#outcomes.add(event, outcome, this.#outputs)
    this.#tap?.outcome?.(outcomeRow(event, outcome, this.#ratedAt))
  }

  /** The same for an event of a scan: a row object is made only for the tap. */
  outcomeScanned(message: ScannedMessage, event: number, timeMs: number, outcome: Outcome): void {
    if (this.#tap?.only !== true) this.#outcomes.addScanned(message, event, timeMs, outcome, this.#outputs)
    this.#tap?.outcome?.(outcomeRow(attributesOfScanned(message, event, timeMs), outcome, this.#ratedAt))
  }

  payment(envelope: Envelope, payment: PaymentEvent): void {
    this.#payments.push({
      ...payment,
      invoiceId: payment.invoiceId ?? '',
      disputeId: payment.disputeId ?? '',
      disputeStatus: payment.disputeStatus ?? '',
      eventTimeNs: envelope.timeNs,
      ...causeOf(envelope),
      ...this.#origin,
    })
  }

  invoice(envelope: Envelope, invoice: InvoiceEvent): void {
    this.#invoices.push({
      ...invoice,
      subscriptionId: invoice.subscriptionId ?? '',
      dueAtNs: invoice.dueAtNs,
      eventTimeNs: envelope.timeNs,
      ...causeOf(envelope),
      ...this.#origin,
    })
  }

  customer(envelope: Envelope, customer: CustomerProfile): void {
    this.#customers.push({
      customerId: customer.customerId,
      name: customer.name ?? '',
      entityId: customer.entityId ?? '',
      currency: customer.currency ?? '',
      crmId: customer.crmId ?? '',
      billingId: customer.billingId ?? '',
      erpId: customer.erpId ?? '',
      billToCustomerId: customer.billTo ?? '',
      setsBillTo: customer.billTo === undefined ? 0 : 1,
      parentCustomerId: customer.parent ?? '',
      setsParent: customer.parent === undefined ? 0 : 1,
      metadata: customer.metadata ?? '',
      eventTimeNs: envelope.timeNs,
      ...causeOf(envelope),
      ...this.#origin,
    })
  }

  tax(envelope: Envelope, tax: TaxEvent): void {
    this.#taxes.push({ ...tax, eventTimeNs: envelope.timeNs, ...causeOf(envelope), ...this.#origin })
  }

  addedCharge(
    cause: Attributes,
    { effectiveFromNs, charge, subscriptionId = '', ...rest }: ChargeAdded & { readonly chargeId: string },
    change: 'added' | 'cancelled',
    reason: string,
  ): void {
    this.#addedCharges.push({
      ...{ ...rest, subscriptionId, price: charge, effectiveFromNs, change, reason },
      ...{ eventTimeNs: cause.timeNs, ...causeOf(cause), ...this.#origin },
    })
  }

  customerStatus(envelope: Envelope, status: CustomerStatus): void {
    this.#customerStatuses.push({
      ...status,
      untilNs: status.untilNs,
      eventTimeNs: envelope.timeNs,
      ...causeOf(envelope),
      ...this.#origin,
    })
  }

  meter(meter: Omit<tables.MeterRow, 'recordedAtMs' | 'partition' | 'ledgerSequence'>): void {
    this.#meters.push({ ...meter, recordedAtMs: this.#nowMs, ...this.#origin })
  }

  /** What this commit, which applies it first, and all later ones rate with. */
  catalogVersion(envelope: Envelope, catalog: Catalog): void {
    this.#catalogVersions.push({
      catalogHash: catalogHash(catalog),
      meterCount: catalog.meters.length,
      planCount: catalog.plans.length,
      recordedAtMs: this.#nowMs,
      ...causeOf(envelope),
      ...this.#origin,
    })
  }

  fxRate(envelope: Envelope, rate: FxRate): void {
    this.#fxRates.push({ ...rate, recordedAtMs: this.#nowMs, ...causeOf(envelope), ...this.#origin })
  }

  dispositions(counts: DispositionCounts): void {
    const { dead_lettered: deadLettered, ...rest } = counts
    this.#dispositions.push({ ...rest, deadLettered, recordedAtMs: this.#nowMs, ...this.#origin })
  }

  /** Returns everything that was written, as ledger messages. */
  take(): LedgerOutput[] {
    const out = this.#outputs
    if (this.#tap?.only === true) return out
    this.#ratedUsage.flush(out)
    this.#outcomes.flush(out)
    this.#encode(tables.subscriptionVersionsTable, this.#versions, out)
    this.#encode(tables.chargesTable, this.#charges, out)
    this.#encode(tables.mrrMovementsTable, this.#movements, out)
    this.#encode(tables.paymentsTable, this.#payments, out)
    this.#encode(tables.invoicesTable, this.#invoices, out)
    this.#encode(tables.customersTable, this.#customers, out)
    this.#encode(tables.customerStatusesTable, this.#customerStatuses, out)
    this.#encode(taxTransactionsTable, this.#taxes, out)
    this.#encode(addedChargesTable, this.#addedCharges, out)
    this.#encode(tables.deadLettersTable, this.#deadLetters, out)
    this.#encode(tables.fxRatesTable, this.#fxRates, out)
    this.#encode(tables.metersTable, this.#meters, out)
    this.#encode(tables.eventDispositionsTable, this.#dispositions, out)
    this.#encode(catalogVersionsTable, this.#catalogVersions, out)
    for (const lines of this.#sealed) this.#encodeSealed(lines, out)
    return out
  }

  #encode<R>(table: TableDescription<R>, rows: readonly R[], out: LedgerOutput[]): void {
    const { outputChunkRows, outputChunkBytes } = this.#config.limits
    // Rows differ in size. A chunk that is too large is cut, and later chunks start with the size that
    // fitted.
    let size = outputChunkRows
    for (let start = 0; start < rows.length; ) {
      const chunk = rows.slice(start, start + size)
      const bytes = encodeRows(table, chunk)
      if (bytes.byteLength > outputChunkBytes && chunk.length > 1) {
        size = Math.max(1, Math.floor(chunk.length * (outputChunkBytes / bytes.byteLength) * 0.9))
        continue
      }
      out.push({ table: table.name, bytes, rows: chunk.length })
      start += chunk.length
    }
  }

  #encodeSealed(lines: readonly string[], out: LedgerOutput[]): void {
    const { outputChunkBytes } = this.#config.limits
    let chunk: string[] = []
    let length = 0
    const flush = () => {
      if (chunk.length === 0) return
      out.push({ table: 'sealed', bytes: Buffer.from(`${chunk.join('\n')}\n`), rows: chunk.length })
      chunk = []
      length = 0
    }
    for (const line of lines) {
      if (length + line.length > outputChunkBytes) flush()
      chunk.push(line)
      length += line.length + 1
    }
    flush()
  }
}

function causeOf(envelope: Attributes) {
  return {
    eventSource: envelope.source,
    eventId: envelope.id,
    correlationId: envelope.correlationId,
  }
}
