// The connectors to Salesforce: one for how customers stand, one for support cases.

import type { Connector } from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { CaseConnector } from '../write-back/case-connector.js'
import { StandingConnector } from '../write-back/standing-connector.js'
import { Accounts } from './accounts.js'
import { Cases } from './cases.js'
import type { SalesforceSettings } from './config.js'
import { Org } from './org.js'

export function openSalesforce(settings: SalesforceSettings, parts: ConnectorParts): Connector {
  const org = new Org(settings, parts)
  if (settings.records === 'support_cases') return new CaseConnector(new Cases(org, settings, parts), parts)
  return new StandingConnector(new Accounts(org, settings.object, parts.rate), settings, parts)
}
