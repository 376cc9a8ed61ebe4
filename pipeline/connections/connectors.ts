// Makes the connector for each kind of connection. A new system of record needs one more case here, a folder
// in sinks, and its settings in settings.ts.

import { resolve } from 'node:path'
import type { Connector, Stopped } from '../../sinks/connector.js'
import { FilesConnector } from '../../sinks/files/sink.js'
import { WebhookConnector } from '../../sinks/webhook/sink.js'
import type { WeirConfig } from '../config/config.js'
import { readSecrets } from './secrets.js'
import type { ConnectionSettings } from './settings.js'

export function connectorOf(connection: ConnectionSettings, config: WeirConfig): Connector {
  switch (connection.kind) {
    case 'webhook': {
      const { url, rate, auth } = connection
      const read = readSecrets(auth.secrets, config)
      if (read.kind === 'missing') return stoppedConnector('credentials_missing', read.detail)
      return new WebhookConnector({
        url,
        secrets: read.secrets,
        ...(rate === undefined ? {} : { perSecond: rate.per_second }),
      })
    }
    case 'file':
      return new FilesConnector({
        folder: resolve(config.folder, connection.folder),
        format: connection.format,
      })
    default:
      return connection satisfies never
  }
}

/** A connector that answers `stopped` to every call: its records wait, and everything else goes on. */
function stoppedConnector(code: string, detail: string): Connector {
  const stopped: Stopped = { kind: 'stopped', code, detail }
  return {
    pageSize: 1,
    attemptMs: 1_000,
    settlesWithinMs: 0,
    check: async () => stopped,
    put: async records => records.map(() => stopped),
    find: async () => stopped,
  }
}
