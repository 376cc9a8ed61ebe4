// Tokens against a real authorization server: one request at a time, renewed before the end, fetched again once after a
// 401, and refresh tokens that change with each use.

import { generateKeyPairSync } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { type MutableResponse, OAuth2Server } from 'oauth2-mock-server'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { SecretRead } from '../connector-kind.js'
import { Api } from '../http/api.js'
import { bearer } from '../http/authorizer.js'
import { freeLimiter } from '../http/limiter.js'
import { clientCredentials } from './client-credentials.js'
import { refreshTokens } from './refresh-tokens.js'
import type { KeptToken, TokenStore } from './token-store.js'

const server = new OAuth2Server()
const signal = new AbortController().signal
const given = (secret: string) => (): SecretRead => ({ kind: 'ok', secret })
let tokenUrl: string
let asked: Record<string, string>[] = []
let answer: (response: MutableResponse) => void = () => undefined
let receiver: Server
let seen: string[] = []
/** Of the last token request. */
let client = ''
let refuses: (authorization: string) => boolean = () => false

beforeAll(async () => {
  await server.issuer.keys.generate('RS256')
  await server.start(0, '127.0.0.1')
  tokenUrl = `${server.issuer.url!}/token`
  server.service.on('beforeResponse', (response, request) => {
    const { body, headers } = request as unknown as {
      body: Record<string, string>
      headers: { authorization?: string }
    }
    asked.push({ ...body })
    client = headers.authorization ?? ''
    response.body = { access_token: `token-${asked.length}`, token_type: 'Bearer', expires_in: 3_600 }
    answer(response)
  })
  receiver = createServer((request, response) => {
    const { authorization = '' } = request.headers
    seen.push(authorization)
    response.writeHead(refuses(authorization) ? 401 : 200).end(`you sent ${authorization}`)
  })
  await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
})

beforeEach(() => {
  asked = []
  seen = []
  answer = () => undefined
  refuses = () => false
})

afterAll(async () => {
  receiver.closeAllConnections()
  receiver.close()
  await server.stop()
})

function tokens(nowMs = () => 0) {
  const proof = { kind: 'secret', secret: given('s3cret-word'), in: 'post' } as const
  return clientCredentials({ tokenUrl, clientId: 'weir', proof, scope: 'books', nowMs })
}

function apiWith(source: ReturnType<typeof tokens>): Api {
  const baseUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`
  const authorizer = bearer(source)
  return new Api({ baseUrl, authorizer, limiter: freeLimiter, requestMs: 5_000, nowMs: Date.now })
}

test('many requests at once ask for one token, and it is renewed before it ends', async () => {
  let nowMs = 0
  const source = tokens(() => nowMs)
  const all = await Promise.all(Array.from({ length: 9 }, () => source.token(signal)))
  expect(new Set(all.map(one => one.kind === 'ok' && one.token))).toEqual(new Set(['token-1']))
  expect(asked).toMatchObject([{ grant_type: 'client_credentials', client_id: 'weir', scope: 'books' }])
  nowMs = 3_400_000
  expect(await source.token(signal)).toMatchObject({ token: 'token-1' })
  nowMs = 3_500_000
  expect(await source.token(signal)).toMatchObject({ token: 'token-2' })
})

test('after a 401 a new token is fetched once and the request sent again; a second 401 stops the connection', async () => {
  const source = tokens()
  refuses = authorization => authorization === 'Bearer token-1'
  const once = await apiWith(source).send({ method: 'GET', path: '/x' }, signal)
  expect(once).toMatchObject({ kind: 'answer', status: 200 })
  expect(seen).toEqual(['Bearer token-1', 'Bearer token-2'])
  refuses = () => true
  const never = await apiWith(source).send({ method: 'GET', path: '/x' }, signal)
  expect(never).toMatchObject({ kind: 'failed', outcome: { kind: 'stopped', code: 'credentials_refused' } })
  expect(seen).toHaveLength(4)
  expect(JSON.stringify(never)).not.toContain('token-')
})

test('refused credentials stop the connection, a failing token endpoint is waited for', async () => {
  answer = response => {
    response.statusCode = 401
    response.body = { error: 'invalid_client', error_description: 'no client with s3cret-word' }
  }
  expect(await tokens().token(signal)).toEqual({
    kind: 'stopped',
    code: 'credentials_refused',
    detail: 'the token endpoint answers 401 invalid_client: no client with [secret]',
  })
  answer = response => {
    response.statusCode = 503
  }
  expect(await tokens().token(signal)).toMatchObject({ kind: 'throttled', code: 'receiver_unavailable' })
  const gone = { kind: 'secret', secret: given('x'), in: 'basic' } as const
  const nobody = clientCredentials({
    tokenUrl: 'http://127.0.0.1:1/t',
    clientId: 'w',
    proof: gone,
    nowMs: () => 0,
  })
  expect(await nobody.token(signal)).toMatchObject({ kind: 'throttled', code: 'receiver_unavailable' })
})

test('an answer of megabytes is no token, and it is not read to its end', async () => {
  const token = JSON.stringify({ access_token: 'token', token_type: 'Bearer' })
  const endless = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
    response.end(gzipSync(`${' '.repeat(32 << 20)}${token}`))
  })
  await new Promise<void>(resolve => endless.listen(0, '127.0.0.1', resolve))
  try {
    const proof = { kind: 'secret', secret: given('s3cret-word'), in: 'post' } as const
    const url = `http://127.0.0.1:${(endless.address() as AddressInfo).port}`
    const source = clientCredentials({ tokenUrl: url, clientId: 'weir', proof, nowMs: () => 0 })
    expect(await source.token(signal)).toMatchObject({ kind: 'throttled', code: 'receiver_unavailable' })
  } finally {
    endless.closeAllConnections()
    endless.close()
  }
})

test('a secret in the header keeps its - and _, and an ID token beside the access token is no trouble', async () => {
  answer = response => Object.assign(response.body as object, { id_token: 'e30.e30.' })
  const proof = { kind: 'secret', secret: given('a-b_c.d+e'), in: 'basic' } as const
  const source = clientCredentials({ tokenUrl, clientId: 'weir-1', proof, nowMs: () => 0 })
  expect(await source.token(signal)).toMatchObject({ kind: 'ok', token: 'token-1' })
  expect(atob(client.replace('Basic ', ''))).toBe('weir-1:a-b_c.d%2Be')
})

test('a JWT assertion is signed by our key, PS256 or ES256, with the claims that the server asks for', async () => {
  for (const [algorithm, pair] of [
    ['PS256', generateKeyPairSync('rsa', { modulusLength: 3072 })],
    ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ] as const) {
    const key = given(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
    const claims = { scope: 'rest_webservices' }
    const proof = { kind: 'assertion', key, algorithm, keyId: 'cert-1', claims } as const
    const source = clientCredentials({ tokenUrl, clientId: 'weir', proof, nowMs: () => 0 })
    expect(await source.token(signal)).toMatchObject({ kind: 'ok' })
    const assertion = asked.at(-1)!['client_assertion']!
    expect(decodeProtectedHeader(assertion)).toMatchObject({ alg: algorithm, kid: 'cert-1', typ: 'JWT' })
    expect(decodeJwt(assertion)).toMatchObject({ iss: 'weir', aud: tokenUrl, scope: 'rest_webservices' })
  }
})

class MemoryStore implements TokenStore {
  kept: KeptToken | undefined
  revision = 0

  async read() {
    return { kept: this.kept, revision: this.revision }
  }

  async write(kept: KeptToken, revision: number): Promise<boolean> {
    if (revision !== this.revision) return false
    this.kept = kept
    this.revision += 1
    return true
  }
}

test('a refresh token that changes is kept, used next, and given up for a newer consent', async () => {
  const store = new MemoryStore()
  let first = 'consent-1'
  answer = response => {
    const { refresh_token: used } = asked.at(-1)!
    if (used !== first && used !== store.kept?.refreshToken) {
      response.statusCode = 400
      response.body = { error: 'invalid_grant' }
    } else Object.assign(response.body as object, { refresh_token: `next-${asked.length}` })
  }
  const make = () =>
    refreshTokens({
      tokenUrl,
      clientId: 'weir',
      proof: { kind: 'secret', secret: given('s3cret-word'), in: 'basic' },
      firstToken: () => ({ kind: 'ok', secret: first }),
      store,
      nowMs: () => 0,
    })
  expect(await make().token(signal)).toMatchObject({ kind: 'ok', token: 'token-1' })
  expect(store.kept?.refreshToken).toBe('next-1')
  expect(await make().token(signal)).toMatchObject({ kind: 'ok', token: 'token-2' })
  first = 'consent-2'
  expect(await make().token(signal)).toMatchObject({ kind: 'ok', token: 'token-3' })
  expect(asked.map(one => one['refresh_token'])).toEqual(['consent-1', 'next-1', 'consent-2'])
})
