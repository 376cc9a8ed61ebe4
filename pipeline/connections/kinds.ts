// The only list of the kinds of connections. What a kind is: sinks/connector-kind.ts.

import { businessCentralKind } from '../../sinks/business-central/kind.js'
import { chargebeeKind } from '../../sinks/chargebee/kind.js'
import type { ConnectorKind } from '../../sinks/connector-kind.js'
import { dynamicsFinanceKind } from '../../sinks/dynamics-finance/kind.js'
import { fileKind } from '../../sinks/files/kind.js'
import { hubspotKind } from '../../sinks/hubspot/kind.js'
import { intacctKind } from '../../sinks/intacct/kind.js'
import { jiraKind } from '../../sinks/jira/kind.js'
import { netsuiteKind } from '../../sinks/netsuite/kind.js'
import { oracleFusionKind } from '../../sinks/oracle-fusion/kind.js'
import { quickbooksKind } from '../../sinks/quickbooks/kind.js'
import { recurlyKind } from '../../sinks/recurly/kind.js'
import { salesforceKind } from '../../sinks/salesforce/kind.js'
import { sapS4Kind } from '../../sinks/sap-s4/kind.js'
import { stripeKind } from '../../sinks/stripe/kind.js'
import { webhookKind } from '../../sinks/webhook/kind.js'
import { xeroKind } from '../../sinks/xero/kind.js'
import { zendeskKind } from '../../sinks/zendesk/kind.js'
import { zuoraKind } from '../../sinks/zuora/kind.js'

// One in a line, so that two kinds seldom touch the same one.
// biome-ignore format: see above
export const connectorKinds: readonly ConnectorKind[] = [
  businessCentralKind,
  dynamicsFinanceKind,
  webhookKind,
  fileKind,
  intacctKind,
  sapS4Kind,
  netsuiteKind,
  oracleFusionKind,
  xeroKind,
  zuoraKind,
  stripeKind,
  quickbooksKind,
  chargebeeKind,
  recurlyKind,
  salesforceKind,
  zendeskKind,
  jiraKind,
  hubspotKind,
]

export function kindNamed(kind: string): ConnectorKind {
  const found = connectorKinds.find(one => one.kind === kind)
  if (found === undefined) throw new Error(`there is no kind of connection ${kind}`)
  return found
}
