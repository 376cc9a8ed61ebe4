// The connector to Jira: support cases as issues.

import type { Connector } from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { CaseConnector } from '../write-back/case-connector.js'
import type { JiraSettings } from './config.js'
import { Issues } from './issues.js'

export function openJira(settings: JiraSettings, parts: ConnectorParts): Connector {
  return new CaseConnector(new Issues(settings, parts), parts)
}
