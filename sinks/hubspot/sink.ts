// The connector to HubSpot: how customers stand, in properties of companies.

import type { Connector } from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { StandingConnector } from '../write-back/standing-connector.js'
import { Companies } from './companies.js'
import type { HubspotSettings } from './config.js'

export function openHubspot(settings: HubspotSettings, parts: ConnectorParts): Connector {
  return new StandingConnector(new Companies(settings, parts), settings, parts)
}
