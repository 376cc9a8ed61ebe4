// The feature of connections: a feed for each connection of the configuration, with the loop as its sink.

import { entityToken } from '../../schemas/identifiers.js'
import { pauseFor } from '../broker/back-off.js'
import { sectionOf } from '../config/config.js'
import { ConnectionLoop } from '../deliver/connection-loop.js'
import type { Exceptions } from '../deliver/connection-options.js'
import { isCovered, recordedPosition } from '../deliver/delivered.js'
import { openDeliveryLog } from '../deliver/delivery-log.js'
import { requestsOf } from '../deliver/delivery-requests.js'
import { type FeedStream, feedOf, type ProcessParts } from '../deliver/feed.js'
import { listSetAside, markTaken, setAside, takeBack } from '../deliver/refused-records.js'
import type { Feature, FeatureFeed, FeatureParts } from '../feature/feature.js'
import { AccountLimiters } from './account-limiters.js'
import { ApprovedRecords } from './approved-records.js'
import { attemptMetrics } from './attempt-metrics.js'
import { connectorOf } from './connectors.js'
import { mayBegin } from './known-receivers.js'
import { RecordFacts } from './record-facts.js'
import { batchLinesOf, journalOf } from './records-of-message.js'
import { type ConnectionSettings, connectionsSettings, isWriteBack, writeBackSettings } from './settings.js'
import { casesOf, standingOfMessage } from './write-back/records.js'
import { WriteBackTeller } from './write-back/teller.js'
import { Told } from './write-back/told.js'

/** The feed that brings charges, rated usage and invoices to ClickHouse. */
const ledgerInClickHouse = 'clickhouse'
const brokerTimeoutMs = 10_000
const clock = { nowMs: Date.now, pause: pauseFor }

export const connectionsFeature: Feature = {
  name: 'connections',
  /** No routes: the metrics are there from the beginning. */
  routes({ registry }) {
    attemptMetrics(registry)
    return []
  },
  feeds(config) {
    const limiters = new AccountLimiters()
    const all = sectionOf(config, connectionsSettings)
    const shared = { limiters, configured: all.map(({ name }) => name) }
    return all.map(one => feedOfConnection(one, shared))
  },
  async work(parts) {
    const teller = tellerOf(parts)
    return { routes: [], start: () => teller?.start(), drain: async () => teller?.drain() }
  },
}

/** Undefined where nothing is written back. */
function tellerOf(parts: FeatureParts): WriteBackTeller | undefined {
  const { config, js, jsm, queries, log, openExceptions: exceptions } = parts
  const connections = sectionOf(config, connectionsSettings).filter(one => isWriteBack(one.records))
  if (connections.length === 0) return undefined
  const cases = connections.filter(one => one.records === 'support_cases')
  return new WriteBackTeller({
    ...{ told: new Told(js, jsm), queries, exceptions, log, nowMs: clock.nowMs },
    tellsStandings: cases.length < connections.length,
    wanted: cases.map(one => one.exceptions ?? everyException),
    connections: connections.map(one => one.name),
    everyMs: sectionOf(config, writeBackSettings).every_seconds * 1_000,
  })
}

const everyException = { codes: [], owners: [] }

interface Shared {
  readonly limiters: AccountLimiters
  /** The names of all connections. */
  readonly configured: readonly string[]
}

function feedOfConnection(connection: ConnectionSettings, shared: Shared): FeatureFeed {
  const { limiters } = shared
  const { name, entity, records, mode, allow } = connection
  const rollout = { mode, allow, class: connection.class }
  const token = entity === undefined ? undefined : entityToken(entity)
  const key = `connection.${name}`
  const openConnector = (parts: ProcessParts) => connectorOf(connection, { ...parts, limiters })
  switch (records) {
    case 'journals': {
      const filterSubjects = [`postings.${token ?? '>'}`]
      return {
        key,
        stream: 'POSTINGS',
        filterSubjects,
        ofRecords: { connection: name, recordsOf: journalOf, rollout, openConnector },
        openSink: loopOf(connection, shared, key, 'POSTINGS', journalOf),
      }
    }
    case 'summaries':
      return {
        key,
        stream: 'POSTINGS',
        filterSubjects: [`summaries.${token === undefined ? '>' : `${token}.>`}`],
        ofRecords: { connection: name, recordsOf: journalOf, rollout, openConnector },
        openSink: loopOf(connection, shared, key, 'POSTINGS', journalOf),
      }
    case 'batch_lines': {
      const filterSubjects = [token === undefined ? 'billing.>' : `billing.${token}.>`]
      return {
        key,
        stream: 'BILLING',
        filterSubjects,
        ofRecords: { connection: name, recordsOf: batchLinesOf, rollout, openConnector },
        openSink: loopOf(connection, shared, key, 'BILLING', batchLinesOf),
      }
    }
    case 'customer_standings':
    case 'support_cases': {
      const isCases = records === 'support_cases'
      const recordsOf = isCases ? casesOf(connection.exceptions ?? everyException) : standingOfMessage
      const filterSubjects = [isCases ? 'write_back.case.*' : `write_back.standing.${token ?? '*'}.*`]
      return {
        key,
        stream: 'WRITE_BACK',
        filterSubjects,
        ofRecords: { connection: name, recordsOf, rollout, openConnector },
        openSink: loopOf(connection, shared, key, 'WRITE_BACK', recordsOf),
      }
    }
    default:
      return records satisfies never
  }
}

function loopOf(
  connection: ConnectionSettings,
  { limiters, configured }: Shared,
  key: string,
  stream: FeedStream,
  recordsOf: typeof journalOf,
): (parts: FeatureParts) => Promise<ConnectionLoop> {
  return async parts => {
    const { config, bulk, js, jsm, log, buckets, customerIds } = parts
    const { sinks, tokens } = buckets
    const logOptions = { bulk, js, jsm, connection: connection.name, timeoutMs: brokerTimeoutMs }
    const deliveryLog = openDeliveryLog(logOptions)
    return new ConnectionLoop({
      connection: connection.name,
      connector: await connectorOf(connection, { config, customerIds, tokens, sinks, jsm, limiters }),
      log: {
        ...deliveryLog,
        async open(signal) {
          await mayBegin({ connection, configured, key, kv: sinks, jsm })
          return deliveryLog.open(signal)
        },
      },
      exceptions: exceptionsOf(buckets.sinks, key, stream),
      clock,
      gate: gateOf(parts),
      requests: requestsOf(buckets.sinks, connection.name),
      limits: {
        ownFailuresMost: connection.attempts.most,
        failingMs: connection.attempts.hours * 3_600_000,
      },
      recordsOf,
      telemetry: attemptMetrics(parts.registry)(connection.name),
      onTrouble: ({ isStopped, ...trouble }) => {
        const facts = { connection: connection.name, ...trouble }
        if (isStopped) log.error(facts, 'connection needs help')
        else log.warn(facts, 'connection in trouble')
      },
      onRefused: records => {
        for (const { name, code, detail } of records)
          log.error({ connection: connection.name, delivery: name, code, detail }, 'record set aside')
      },
    })
  }
}

function gateOf({
  jsm,
  buckets,
  queries: clickhouse,
  approvals,
  flow,
  gates,
  feeds,
}: FeatureParts): ApprovedRecords {
  const feed = feedOf(feeds, ledgerInClickHouse)
  const isDelivered = async (sequence: number) =>
    isCovered({ jsm, ...feed }, await recordedPosition(buckets.sinks, feed.key), sequence)
  const facts = new RecordFacts({ jsm, runs: buckets.runs, clickhouse, approvals, isDelivered })
  return new ApprovedRecords({ flow, gates, approvals, facts, nowMs: clock.nowMs })
}

function exceptionsOf(kv: FeatureParts['buckets']['sinks'], feed: string, stream: FeedStream): Exceptions {
  return {
    list: () => listSetAside(kv, feed),
    setAside: records => setAside(kv, feed, stream, records),
    markTaken: ({ name }) => markTaken(kv, feed, name),
    takeBack: ({ name }) => takeBack(kv, { feed, name }),
  }
}
