// What systems of record sent: arrivals = events + ignored + waiting + superseded, for each source. Held against each other
// are the checkpoint of the source, the table, and the messages that ARRIVALS still holds.

import { DeliverPolicy } from '@nats-io/jetstream'
import { arrivalOutcomesSchema } from '../../schemas/arrival-outcome.js'
import { pauseFor } from '../broker/back-off.js'
import { natsSubjects } from '../broker/topology.js'
import { recordedPosition } from '../deliver/delivered.js'
import { feedOf } from '../deliver/feed.js'
import { type ArrivalTotal, type Check, checkOf, type Difference, unreadableCheck } from './report.js'
import type { StreamSource } from './stream-comparison.js'

const check = 'arrivals'
const claim =
  'of each source, arrivals = mapped + ignored + waiting + superseded, and none is without an outcome'
const tableFeed = 'clickhouse.arrivals'
const waitMs = 5_000
const shownMost = 20

export async function checkArrivals(
  source: StreamSource,
): Promise<{ readonly check: Check; readonly totals: readonly ArrivalTotal[] }> {
  try {
    const checkpoints = await readCheckpoints(source)
    const last = Math.max(0, ...checkpoints.map(({ sequence }) => sequence))
    await untilDelivered(source, last)
    const differences: Difference[] = []
    const totals: ArrivalTotal[] = []
    let compared = 0
    for (const one of checkpoints) {
      const own = await countStates(source, one)
      totals.push(...own)
      compared += one.arrivals
      const found = own.reduce((sum, { arrivals }) => sum + arrivals, 0)
      if (found !== one.arrivals)
        differences.push({
          id: `source ${one.source}`,
          expected: `${one.arrivals} arrivals with an outcome`,
          found: own.map(({ state, arrivals }) => `${state} ${arrivals}`).join(', ') || 'none',
        })
      differences.push(...(await withoutOutcome(source, one)))
    }
    return { check: checkOf(check, claim, compared, differences), totals }
  } catch (error) {
    return { check: unreadableCheck(check, claim, error), totals: [] }
  }
}

interface SourceEnd {
  readonly source: string
  readonly arrivals: number
  readonly position: number
  /** Of the message that says so. */
  readonly sequence: number
}

async function readCheckpoints({ jsm }: Pick<StreamSource, 'jsm'>): Promise<SourceEnd[]> {
  const { state } = await jsm.streams.info('ARRIVAL_OUTCOMES', {
    subjects_filter: natsSubjects.arrivalOutcomes('*'),
  })
  const ends: SourceEnd[] = []
  for (const subject of Object.keys(state.subjects ?? {}).sort()) {
    const message = await jsm.streams.getMessage('ARRIVAL_OUTCOMES', { last_by_subj: subject })
    if (message === null) continue
    const { source, checkpoint } = arrivalOutcomesSchema.parse(message.json())
    const { arrivals, position } = checkpoint
    ends.push({ source, arrivals, position, sequence: message.seq })
  }
  return ends
}

async function untilDelivered({ sinks, feeds }: StreamSource, sequence: number): Promise<void> {
  const { key } = feedOf(feeds, tableFeed)
  const deadlineMs = performance.now() + waitMs
  while ((await recordedPosition(sinks, key)) < sequence && performance.now() < deadlineMs)
    await pauseFor(50, AbortSignal.timeout(waitMs))
}

async function countStates(
  { clickhouse }: Pick<StreamSource, 'clickhouse'>,
  { source, sequence }: SourceEnd,
): Promise<ArrivalTotal[]> {
  const answer = await clickhouse.query({
    query: `SELECT {source: String} AS source, state, toUInt32(count()) AS arrivals FROM (
        SELECT argMax(toString(a.state), a.stream_sequence) AS state FROM arrivals AS a
        WHERE source_name = {source: String} AND stream_sequence <= {until: UInt64} GROUP BY arrival_sequence)
      GROUP BY state ORDER BY state`,
    query_params: { source, until: sequence },
    format: 'JSONEachRow',
  })
  return answer.json<ArrivalTotal>()
}

/** Messages of ARRIVALS up to the position of the source that the table does not know. */
async function withoutOutcome(
  { js, jsm, clickhouse }: Pick<StreamSource, 'js' | 'jsm' | 'clickhouse'>,
  { source, position }: SourceEnd,
): Promise<Difference[]> {
  const held = await heldSequences(js, jsm, source, position)
  if (held.length === 0) return []
  const answer = await clickhouse.query({
    query: `SELECT DISTINCT arrival_sequence AS sequence FROM arrivals
      WHERE source_name = {source: String} AND arrival_sequence >= {from: UInt64} AND arrival_sequence <= {until: UInt64}`,
    query_params: { source, from: held[0]!, until: position },
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  })
  const told = new Set((await answer.json<{ sequence: number }>()).map(({ sequence }) => sequence))
  return held
    .filter(sequence => !told.has(sequence))
    .slice(0, shownMost)
    .map(sequence => ({
      id: `source ${source}: message ${sequence} of ARRIVALS`,
      expected: 'an outcome',
      found: 'none',
    }))
}

/** Read without their bodies. */
async function heldSequences(
  js: StreamSource['js'],
  jsm: StreamSource['jsm'],
  source: string,
  position: number,
): Promise<number[]> {
  const { state } = await jsm.streams.info('ARRIVALS')
  if (position < Math.max(1, state.first_seq)) return []
  const consumer = await js.consumers.get('ARRIVALS', {
    filter_subjects: [natsSubjects.arrivals(source)],
    deliver_policy: DeliverPolicy.All,
    headers_only: true,
  })
  try {
    if ((await consumer.info()).num_pending === 0) return []
    const found: number[] = []
    const messages = await consumer.consume({ max_messages: 1_000, expires: 5_000 })
    for await (const message of messages) {
      if (message.seq <= position) found.push(message.seq)
      if (message.info.pending === 0 || message.seq >= position) break
    }
    messages.stop()
    return found
  } finally {
    await consumer.delete().catch(() => false) // it would expire by itself
  }
}
