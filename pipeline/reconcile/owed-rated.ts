// Compares the amounts owed for usage in the state with the rows, charge by charge, open periods included.
// The state is the one that a restart would read: the snapshot and the deltas up to the commit of the cut. A
// difference is therefore an error in stored data. A thread of its own reads the state; running partitions
// are not involved.

import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { Piscina } from 'piscina'
import { builtFile } from '../../schemas/package-root.js'
import { genesisOf } from '../broker/genesis.js'
import { openSnapshots } from '../engine/snapshot.js'
import { parseCheckpoint, readCheckpoint } from '../ledger/checkpoint.js'
import { PartitionFailure } from '../ledger/failures.js'
import type { OwedTask } from '../workers/owed-worker.js'
import { bufferOf, owned } from '../workers/protocol.js'
import type { PartitionCut, PlacedCheckpoint, TableSource } from './ledger-cut.js'
import { type Check, checkOf, type Difference, skippedCheck, unreadableCheck } from './report.js'

const check = 'owed_rated'
const claim = 'rated usage adds up to what the state has of every charge, open periods included'

export async function checkOwed(
  source: TableSource,
  nc: NatsConnection,
  cuts: readonly PartitionCut[],
): Promise<Check> {
  const filename = fileURLToPath(builtFile('pipeline/workers/owed-worker.bundle.js'))
  // One thread for all partitions: without a time for idling it would end after each, and load its code again.
  const threads = { minThreads: 0, maxThreads: 1, idleTimeout: Number.POSITIVE_INFINITY }
  const thread = new Piscina({ filename, ...threads, recordTiming: false })
  const differences: Difference[] = []
  let compared = 0
  let count = 0
  try {
    for (const { partition, cut } of cuts) {
      if (cut === undefined) continue
      const task = await readState(source.jsm, nc, cut)
      if (task === undefined) return skippedCheck(check, claim, replaced(partition))
      const lines = (await thread.run(task, {
        name: 'owedLines',
        transferList: buffersOf(task),
      })) as Uint8Array
      const found = await compareCharges(source, lines, partition, cut.checkpoint.commit)
      compared += found.compared
      count += found.bad
      differences.push(...found.differences)
    }
    return checkOf(check, claim, compared, differences, count)
  } catch (error) {
    return unreadableCheck(check, claim, error)
  } finally {
    await thread.destroy()
  }
}

function replaced(partition: number): string {
  return `the snapshot of partition ${partition} was replaced while it was to be read; ask again`
}

/** What is given up to the thread: the state of a large partition is not held twice. */
function buffersOf({ snapshot, deltas }: OwedTask): ArrayBuffer[] {
  return [...(snapshot === undefined ? [] : [snapshot]), ...deltas].map(bufferOf)
}

/** Undefined: a newer snapshot or delta has replaced the one to be read. */
async function readState(
  jsm: JetStreamManager,
  nc: NatsConnection,
  cut: PlacedCheckpoint,
): Promise<OwedTask | undefined> {
  const { partition, snapshot: ref } = cut.checkpoint
  try {
    const store = await openSnapshots(nc, partition)
    const manifest = ref === null ? undefined : await store.manifest(ref.object)
    const snapshot = manifest === undefined ? undefined : owned(await store.read(manifest.state.object))
    return { snapshot, deltas: await readDeltas(jsm, cut) }
  } catch (error) {
    const newest = error instanceof PartitionFailure ? await readCheckpoint(jsm, partition) : undefined
    if (newest !== undefined && newest.checkpoint.snapshot?.object !== ref?.object) return undefined
    throw error
  }
}

/**
 * Reads from the cut back to the snapshot: each checkpoint names the one before it and the messages of its
 * commit.
 */
async function readDeltas(jsm: JetStreamManager, cut: PlacedCheckpoint): Promise<Uint8Array[]> {
  const { key } = await genesisOf(jsm)
  const { partition, snapshot } = cut.checkpoint
  const deltas: Uint8Array[] = []
  for (let at = cut; at.checkpoint.commit > (snapshot?.commit ?? 0); ) {
    const chunks: Uint8Array[] = []
    for (const [index, [what]] of at.checkpoint.messages.entries()) {
      if (what === 'delta') chunks.push(await messageAt(jsm, partition, at.seq + 1 + index))
    }
    if (chunks.length > 0) deltas.push(Uint8Array.from(Buffer.concat(chunks)))
    const { follows } = at.checkpoint
    if (follows === 0) break
    const checkpoint = parseCheckpoint(await messageAt(jsm, partition, follows), partition, key)
    if (checkpoint === undefined) throw gap(partition, follows)
    at = { checkpoint, seq: follows }
  }
  return deltas.reverse()
}

async function messageAt(jsm: JetStreamManager, partition: number, seq: number): Promise<Uint8Array> {
  const message = await jsm.streams.getMessage('LEDGER', { seq })
  if (message === null) throw gap(partition, seq)
  return message.data
}

function gap(partition: number, seq: number): PartitionFailure {
  const text = `LEDGER does not hold the message ${seq}, which the state of partition ${partition} needs.`
  return new PartitionFailure('ledger_incomplete', text)
}

interface Compared {
  readonly compared: number
  readonly bad: number
  readonly differences: readonly Difference[]
}

const maxNamed = 10

async function compareCharges(
  { clickhouse }: TableSource,
  lines: Uint8Array,
  partition: number,
  commit: number,
): Promise<Compared> {
  const scratch = `reconcile_${randomUUID().replaceAll('-', '')}`
  const columns = 'charge_id String, customer_id String, currency String, owed Decimal(38, 12)'
  await clickhouse.command({ query: `CREATE TABLE ${scratch} (${columns}) ENGINE = Memory` })
  try {
    if (lines.length > 0) {
      const values = Readable.from([lines], { objectMode: false })
      const answer = await clickhouse.exec({ query: `INSERT INTO ${scratch} FORMAT JSONEachRow`, values })
      for await (const _ of answer.stream); // the socket is free once the answer has been read
    }
    const result = await clickhouse.query({
      query: comparison(scratch),
      format: 'JSONEachRow',
      query_params: { partition, commit },
    })
    const rows = await result.json<ComparedCharge>()
    const wrong = rows.filter(row => row.differs === 1)
    return {
      compared: rows[0]?.compared ?? 0,
      bad: rows[0]?.bad ?? 0,
      differences: wrong.map(({ id, expected, found, customer }) => ({
        id,
        expected,
        found,
        detail: `customer ${customer}, partition ${partition}, up to ledger_sequence ${commit}`,
      })),
    }
  } finally {
    await clickhouse.command({ query: `DROP TABLE IF EXISTS ${scratch}` })
  }
}

interface ComparedCharge {
  readonly id: string
  readonly customer: string
  readonly expected: string
  readonly found: string
  readonly differs: number
  readonly compared: number
  readonly bad: number
}

/** A charge that only one side has counts as 0 on the other. */
function comparison(scratch: string): string {
  return `
WITH charges_of AS
(
  SELECT id, any(customer_id) AS customer, sum(owed) AS expected, sum(rated) AS found, toInt32(expected != found) AS differs
  FROM
  (
    SELECT charge_id AS id, customer_id, toDecimal256(owed, 12) AS owed, toDecimal256(0, 12) AS rated FROM ${scratch}
    UNION ALL
    SELECT charge_id, customer_id, toDecimal256(0, 12), toDecimal256(amount, 12) FROM rated_usage
    WHERE partition = {partition: UInt32} AND ledger_sequence <= {commit: UInt64} AND charge_id != ''
  )
  GROUP BY id
)
SELECT id, customer, toString(expected) AS expected, toString(found) AS found, differs,
  (SELECT toInt32(count()) FROM charges_of) AS compared, (SELECT toInt32(sum(differs)) FROM charges_of) AS bad
FROM charges_of ORDER BY differs DESC, id LIMIT ${maxNamed}`
}
