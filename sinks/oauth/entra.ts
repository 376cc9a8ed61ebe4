// Client credentials at Microsoft Entra ID, for the connectors to Dynamics 365. The settings stand in entra-settings.ts.
// Source: the page on certificate credentials of the Microsoft identity platform, for `x5t#S256` and the algorithms.

import type { ConnectorParts } from '../connector-kind.js'
import { type Authorizer, bearer } from '../http/authorizer.js'
import { clientCredentials } from './client-credentials.js'
import type { EntraAuth } from './entra-settings.js'

/** `resource`: whose interface it is, such as `https://api.businesscentral.dynamics.com`. */
export function entraAuthorizer(
  auth: EntraAuth,
  resource: string,
  { secret, nowMs }: Pick<ConnectorParts, 'secret' | 'nowMs'>,
): Authorizer {
  const { tenant, client_id: clientId, client_secret: clientSecret, private_key: key, algorithm } = auth
  const tokenUrl = auth.token_url ?? `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`
  const scope = `${resource.replace(/\/$/, '')}/.default`
  if (clientSecret !== undefined) {
    const proof = { kind: 'secret', secret: () => secret(clientSecret), in: 'post' } as const
    return bearer(clientCredentials({ tokenUrl, clientId, proof, scope, nowMs }))
  }
  if (key === undefined || auth.thumbprint === undefined)
    throw new Error('the settings have neither a secret nor a certificate')
  const thumbprint = Buffer.from(auth.thumbprint, 'hex').toString('base64url')
  const proof = {
    kind: 'assertion',
    key: () => secret(key),
    algorithm,
    keyId: thumbprint,
    header: { 'x5t#S256': thumbprint },
  } as const
  return bearer(clientCredentials({ tokenUrl, clientId, proof, scope, nowMs }))
}
