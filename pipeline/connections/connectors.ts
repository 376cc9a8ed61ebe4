// Makes the connector of a connection: its kind with the parts that it may use.

import { resolve } from 'node:path'
import type { Connector } from '../../sinks/connector.js'
import type { ConnectorParts } from '../../sinks/connector-kind.js'
import { MappingOfFile } from '../../sinks/mapping/record-mapping.js'
import { readSecret } from '../config/secrets.js'
import type { ProcessParts } from '../deliver/feed.js'
import type { AccountLimiters } from './account-limiters.js'
import { kindNamed } from './kinds.js'
import type { ConnectionSettings } from './settings.js'
import { KvTokenStore } from './token-store.js'

export interface SharedParts extends ProcessParts {
  readonly limiters: AccountLimiters
}

export function connectorOf(connection: ConnectionSettings, shared: SharedParts): Promise<Connector> {
  return kindNamed(connection.kind).open(connection, partsOf(connection, shared))
}

export function partsOf(
  { name, kind: kindName, mapping, rate: ownRate, allow }: ConnectionSettings,
  { config, customerIds, tokens, sinks, jsm, limiters }: SharedParts,
): ConnectorParts {
  const { folder } = config
  const kind = kindNamed(kindName)
  const { fields = {}, customersAre, defaultRate, secretProblem } = kind
  const rate = { ...defaultRate, ...ownRate }
  return {
    connection: name,
    folder,
    secret: source => readSecret(source, config, secretProblem),
    mapping: new MappingOfFile({
      file: mapping === undefined ? undefined : resolve(folder, mapping),
      fields,
      customersAre,
      customerIds,
    }),
    customerIds,
    allowedFields: allow.fields ?? [],
    tokenStore: key => new KvTokenStore({ kv: tokens, connection: name, key }),
    limiter: limiters.of(kindName, rate, { sinks, jsm }),
    rate,
    nowMs: Date.now,
  }
}
