// What rules of approvals look at in one record on its way to a connection, and its evidence: the line of the billing batch
// that it came from, what that line corrects, and who asked for the run.
// Invariants:
// 1. Only what some rule of the record needs is asked of ClickHouse, once for a whole batch, and once ClickHouse has what
//    the ledger held when the batch was looked at first.
// 2. What cannot be found is told as not known, which holds; what cannot be read is thrown.

import type { ClickHouseClient } from '@clickhouse/client'
import { JetStreamApiError, type JetStreamManager, type StoredMsg } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import type { ApprovalFacts } from '../../schemas/approvals/approval.js'
import { heldRecordKinds } from '../../schemas/approvals/approval-kind.js'
import { batchFromWire } from '../../schemas/billing/billing-batch.js'
import { type BillingRunRecord, billingRunRecordSchema, runKeys } from '../../schemas/billing/billing-run.js'
import { type Charge, chargeToWire } from '../../schemas/billing/charge.js'
import type { Attempt } from '../../schemas/billing/delivery.js'
import { entityToken } from '../../schemas/identifiers.js'
import { isRecord } from '../../schemas/json/json-text.js'
import { formatScaled, parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import {
  billedOfCorrected,
  invoicedCustomers,
  linesWithoutSource,
} from '../../sinks/clickhouse/billing-evidence.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import type { ApprovalGate, ApprovalRequest, NeededFacts, RecordSubject } from '../gateway/approval-gate.js'

export interface RecordFactsOptions {
  readonly jsm: Pick<JetStreamManager, 'streams'>
  /** The bucket `weir_runs`. */
  readonly runs: KV
  readonly clickhouse: ClickHouseClient
  readonly approvals: Pick<ApprovalGate, 'needs'>
  /** Whether ClickHouse has LEDGER up to a sequence. */
  readonly isDelivered: (sequence: number) => Promise<boolean>
}

/** A billing batch that records come from. */
interface KnownBatch {
  readonly run: BillingRunRecord | undefined
  /** Empty: it is not held any more. */
  readonly lines: ReadonlyMap<string, Charge>
  /** The last sequence of LEDGER when it was looked at first. */
  readonly ledgerTo: number
  readonly known: FromClickHouse
}

interface FromClickHouse {
  invoiced?: Promise<ReadonlySet<string>>
  billed?: Promise<ReadonlySet<string>>
  withoutSource?: Promise<ReadonlySet<string>>
}

/** Records come batch by batch; those of two may be in turn. */
const batchesInMemory = 2
/** Where a message of BILLING names its batch. */
const batchHeader = 'weir-batch'
/** The server's error code for a sequence that holds no message. */
const noMessage = 10037

export function subjectOf(connection: string, { kind, document }: ConnectorRecord): RecordSubject {
  const { entity_id: entity, customer_id: customer } = document
  return { connection, kind, entityId: textOf(entity), customerId: textOf(customer) }
}

export class RecordFacts {
  readonly #options: RecordFactsOptions
  readonly #batches = new Map<string, KnownBatch>()

  constructor(options: RecordFactsOptions) {
    this.#options = options
  }

  async of(
    connection: string,
    record: ConnectorRecord,
    attempts: readonly Attempt[],
  ): Promise<Omit<ApprovalRequest, 'id'>> {
    const subject = subjectOf(connection, record)
    const batch = await this.#batchOf(record)
    const line = batch.lines.get(textOf(record.document['charge_id']))
    const by = batch.run?.requested_by
    return {
      kind: 'delivery',
      facts: await this.#factsOf(subject, record, batch, line),
      evidence: evidenceOf(record, batch, line, attempts),
      requestedBy: by == null ? 'process' : { keyId: by.key_id, keyName: by.name },
    }
  }

  async #factsOf(
    subject: RecordSubject,
    { document }: ConnectorRecord,
    batch: KnownBatch,
    line: Charge | undefined,
  ): Promise<ApprovalFacts> {
    const all = this.#options.approvals.needs('delivery', subject)
    // What becomes revenue and what rounding came to bills nobody.
    const bills = document['kind'] !== 'release' && document['kind'] !== 'rounding'
    const needs = bills ? all : { ...all, invoices: false, charges: false, sources: false }
    await this.#untilDelivered(needs, batch)
    const currency = textOf(document['currency'])
    const amount = line?.amountRounded ?? sizeOf(document)
    const kind = heldRecordKinds.find(one => one === subject.kind)
    return {
      entity_id: subject.entityId,
      record:
        kind === undefined ? null : { connection: subject.connection, kind, customer_id: subject.customerId },
      amounts: [{ currency, amount: amount === undefined ? null : formatScaled(amount) }],
      credits: await this.#creditsOf(needs, subject, document, batch, line),
      without_source: needs.sources ? await this.#withoutSource(batch, line) : [],
    }
  }

  async #creditsOf(
    needs: NeededFacts,
    { customerId }: RecordSubject,
    document: ConnectorRecord['document'],
    batch: KnownBatch,
    line: Charge | undefined,
  ): Promise<NonNullable<ApprovalFacts['credits']>> {
    if (!needs.invoices && !needs.charges) return []
    const currency = textOf(document['currency'])
    const about = { customer_id: customerId, currency }
    if (line === undefined)
      return [{ ...about, charge_id: textOf(document['charge_id']), amount: null, has_invoice: null }]
    if (line.amountRounded >= 0n) return []
    const { clickhouse } = this.#options
    const lines = [...batch.lines.values()]
    const credited = lines.filter(one => one.amountRounded < 0n).map(one => one.customerId)
    const { known } = batch
    const invoiced = needs.invoices
      ? await once(known, 'invoiced', () => invoicedCustomers(clickhouse, credited))
      : undefined
    const billed = needs.charges
      ? await once(known, 'billed', () => billedOfCorrected(clickhouse, lines))
      : undefined
    return [
      {
        ...about,
        charge_id: line.corrects ?? line.chargeId,
        amount: formatScaled(line.amountRounded),
        has_invoice: invoiced?.has(line.customerId) ?? null,
        has_charge: billed?.has(line.corrects ?? '') ?? null,
      },
    ]
  }

  async #withoutSource({ known, lines }: KnownBatch, line: Charge | undefined): Promise<string[] | null> {
    if (line === undefined) return null // invariant 2
    const { clickhouse } = this.#options
    const all = async () => new Set(await linesWithoutSource(clickhouse, [...lines.values()]))
    return (await once(known, 'withoutSource', all)).has(line.chargeId) ? [line.chargeId] : []
  }

  /** Throws while ClickHouse is behind. */
  async #untilDelivered(needs: NeededFacts, { ledgerTo }: KnownBatch): Promise<void> {
    if (!needs.invoices && !needs.charges && !needs.sources) return
    if (await this.#options.isDelivered(ledgerTo)) return
    throw new Error(`ClickHouse does not have message ${ledgerTo} of LEDGER yet`)
  }

  async #batchOf({ document }: ConnectorRecord): Promise<KnownBatch> {
    const source = isRecord(document['source']) ? document['source'] : document
    const batchId = textOf(source['batch_id'])
    const known = this.#batches.get(batchId)
    if (known !== undefined) return known
    const [entity, run] = [textOf(document['entity_id']), textOf(source['billing_run_id'])]
    const read = await this.#readBatch(entity, run, batchId)
    if (this.#batches.size >= batchesInMemory) this.#batches.delete([...this.#batches.keys()][0]!)
    this.#batches.set(batchId, read)
    return read
  }

  async #readBatch(entityId: string, runId: string, batchId: string): Promise<KnownBatch> {
    const { jsm, runs } = this.#options
    const { state } = await jsm.streams.info('LEDGER')
    const none = { run: undefined, lines: new Map(), ledgerTo: state.last_seq, known: {} }
    if (!/^[\w-]+$/.test(runId)) return none
    const entry = await runs.get(runKeys.record(runId))
    if (entry === null) return none
    const run = billingRunRecordSchema.parse(entry.json())
    const lines = await linesOf(jsm, `billing.${entityToken(entityId)}.${runId}`, batchId)
    return { ...none, run, lines: new Map(lines.map(line => [line.chargeId, line])) }
  }
}

/** The lines of a batch, from the few batches of its run and entity; none when it was purged. */
async function linesOf(
  jsm: RecordFactsOptions['jsm'],
  natsSubject: string,
  batchId: string,
): Promise<readonly Charge[]> {
  for (let from = 1; ; ) {
    const message = await nextOf(jsm, natsSubject, from)
    if (message === undefined) return []
    if (message.header.get(batchHeader) === batchId) {
      const parsed = batchFromWire(message.json())
      return parsed.kind === 'ok' ? parsed.value.lines : []
    }
    from = message.seq + 1
  }
}

async function nextOf(
  { streams }: RecordFactsOptions['jsm'],
  natsSubject: string,
  from: number,
): Promise<StoredMsg | undefined> {
  try {
    const query = { seq: from, next_by_subj: natsSubject }
    return (await streams.getMessage('BILLING', query)) ?? undefined
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === noMessage) return undefined
    throw error
  }
}

/** Asks once; what could not be read is asked again. */
async function once<K extends keyof FromClickHouse>(
  known: FromClickHouse,
  name: K,
  ask: () => Promise<ReadonlySet<string>>,
): Promise<ReadonlySet<string>> {
  const asked = known[name] ?? ask()
  known[name] = asked
  try {
    return await asked
  } catch (error) {
    delete known[name]
    throw error
  }
}

/** For whoever decides: the record whole, and what its line and its correction come to. */
function evidenceOf(
  { kind, id, key, recordedAt, document }: ConnectorRecord,
  { lines }: KnownBatch,
  line: Charge | undefined,
  attempts: readonly Attempt[],
): ApprovalRequest['evidence'] {
  const corrected = line?.corrects
  const others = corrected === undefined ? [] : [...lines.values()].filter(one => one.corrects === corrected)
  return {
    record: { kind, id, key, recorded_at: recordedAt },
    document,
    line: line === undefined ? null : chargeToWire(line),
    /** A credit and its rebill: what is taken back, and what is billed instead. */
    ...(corrected === undefined ? {} : { corrects: corrected, correction: others.map(chargeToWire) }),
    attempts,
  }
}

/** Of a journal its debits; of a line its amount; undefined: not known. */
function sizeOf({ amount_rounded: rounded, lines }: ConnectorRecord['document']): Scaled | undefined {
  if (typeof rounded === 'string') return scaled(rounded)
  if (!Array.isArray(lines)) return undefined
  let sum = 0n
  for (const line of lines) {
    const debit = isRecord(line) ? scaled(line['debit']) : undefined
    if (debit === undefined) return undefined
    sum += debit
  }
  return sum
}

function scaled(text: unknown): Scaled | undefined {
  const read = parseDecimal(typeof text === 'string' ? text : '')
  return read.kind === 'ok' ? read.value : undefined
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
