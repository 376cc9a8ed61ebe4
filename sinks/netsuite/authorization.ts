// How NetSuite knows us: OAuth 2.0 client credentials with a certificate, or token-based authentication (OAuth 1.0a).
// Sources: the sections 162755359851 and 1534941295 of its help.

import { createHmac } from 'node:crypto'
import OAuth from 'oauth-1.0a'
import type { ConnectorParts } from '../connector-kind.js'
import { type Authorizer, bearer } from '../http/authorizer.js'
import { clientCredentials } from '../oauth/client-credentials.js'
import type { ClientCredentialsAuth, NetsuiteSettings, TokenBasedAuth } from './config.js'

const tokenPath = '/services/rest/auth/oauth2/v1/token'

type Parts = Pick<ConnectorParts, 'secret' | 'nowMs'>

export function authorizerOf({ url, account, auth }: NetsuiteSettings, parts: Parts): Authorizer {
  if ('client_id' in auth) return bearer(tokensOf(url, auth, parts))
  return tokenBased(account, auth, parts)
}

function tokensOf(url: string, auth: ClientCredentialsAuth, { secret, nowMs }: Parts) {
  const {
    client_id: clientId,
    certificate_id: keyId,
    private_key: key,
    algorithm,
    token_url: tokenUrl,
  } = auth
  return clientCredentials({
    tokenUrl: tokenUrl ?? new URL(tokenPath, url).href,
    clientId,
    proof: {
      kind: 'assertion',
      key: () => secret(key),
      algorithm,
      keyId,
      claims: { scope: 'rest_webservices' },
    },
    nowMs,
  })
}

/** The parameters of the query are signed, bodies of JSON are not. */
function tokenBased(account: string, auth: TokenBasedAuth, { secret }: Parts): Authorizer {
  return {
    async authorize({ method, url }) {
      const read: string[] = []
      for (const source of [auth.consumer_key, auth.consumer_secret, auth.token_id, auth.token_secret]) {
        const one = secret(source)
        if (one.kind === 'stopped') return one
        read.push(one.secret)
      }
      const [consumerKey = '', consumerSecret = '', tokenId = '', tokenSecret = ''] = read
      const oauth = new OAuth({
        consumer: { key: consumerKey, secret: consumerSecret },
        realm: account.toUpperCase().replace('-', '_'),
        signature_method: 'HMAC-SHA256',
        hash_function: (text, key) => createHmac('sha256', key).update(text).digest('base64'),
      })
      const signed = oauth.authorize({ url, method }, { key: tokenId, secret: tokenSecret })
      const { Authorization: authorization } = oauth.toHeader(signed)
      return { kind: 'ok', headers: { authorization }, secrets: read }
    },
    refused: () => false,
  }
}
