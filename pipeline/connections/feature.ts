// The feature of connections: a feed for each connection of the configuration, with the loop as its sink.

import { entityToken } from '../../schemas/identifiers.js'
import { pauseFor } from '../broker/back-off.js'
import { sectionOf } from '../config/config.js'
import { ConnectionLoop } from '../deliver/connection-loop.js'
import type { Exceptions } from '../deliver/connection-options.js'
import { openDeliveryLog } from '../deliver/delivery-log.js'
import type { FeedStream } from '../deliver/feed.js'
import { listSetAside, setAside, takeBack } from '../deliver/refused-records.js'
import type { Feature, FeatureFeed, FeatureParts } from '../feature/feature.js'
import { connectorOf } from './connectors.js'
import { batchLinesOf, journalOf } from './records-of-message.js'
import { type ConnectionSettings, connectionsSettings } from './settings.js'

const brokerTimeoutMs = 10_000
const clock = { nowMs: Date.now, pause: pauseFor }

export const connectionsFeature: Feature = {
  name: 'connections',
  feeds: config => sectionOf(config, connectionsSettings).map(feedOfConnection),
}

function feedOfConnection(connection: ConnectionSettings): FeatureFeed {
  const { name, entity, records, mode, allow } = connection
  const rollout = { mode, allow, class: connection.class }
  const token = entity === undefined ? undefined : entityToken(entity)
  const key = `connection.${name}`
  switch (records) {
    case 'journals': {
      const filterSubjects = [`postings.${token ?? '>'}`]
      return {
        key,
        stream: 'POSTINGS',
        filterSubjects,
        ofRecords: { connection: name, recordsOf: journalOf, rollout },
        openSink: loopOf(connection, key, 'POSTINGS', journalOf),
      }
    }
    case 'batch_lines': {
      const filterSubjects = [token === undefined ? 'billing.>' : `billing.${token}.>`]
      return {
        key,
        stream: 'BILLING',
        filterSubjects,
        ofRecords: { connection: name, recordsOf: batchLinesOf, rollout },
        openSink: loopOf(connection, key, 'BILLING', batchLinesOf),
      }
    }
    default:
      return records satisfies never
  }
}

function loopOf(
  connection: ConnectionSettings,
  key: string,
  stream: FeedStream,
  recordsOf: typeof journalOf,
): (parts: FeatureParts) => Promise<ConnectionLoop> {
  return async ({ config, bulk, js, jsm, log, buckets, customerIds, flow }) =>
    new ConnectionLoop({
      connection: connection.name,
      connector: await connectorOf(connection, { config, customerIds, tokens: buckets.tokens }),
      log: openDeliveryLog({ bulk, js, jsm, connection: connection.name, timeoutMs: brokerTimeoutMs }),
      exceptions: exceptionsOf(buckets.sinks, key, stream),
      clock,
      gate: flow,
      recordsOf,
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

function exceptionsOf(kv: FeatureParts['buckets']['sinks'], feed: string, stream: FeedStream): Exceptions {
  return {
    list: () => listSetAside(kv, feed),
    setAside: records => setAside(kv, feed, stream, records),
    takeBack: ({ name }) => takeBack(kv, { feed, name }),
  }
}
