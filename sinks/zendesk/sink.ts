// The connector to Zendesk: support cases as tickets.

import type { Connector } from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { CaseConnector } from '../write-back/case-connector.js'
import type { ZendeskSettings } from './config.js'
import { Tickets } from './tickets.js'

export function openZendesk(settings: ZendeskSettings, parts: ConnectorParts): Connector {
  return new CaseConnector(new Tickets(settings, parts), parts)
}
