// A real authorization server (oauth2-mock-server) for fake receivers: it issues tokens, remembers which, and takes them
// back. One serves all fakes of a test file, because its keys take time to make.

import { type MutableResponse, OAuth2Server } from 'oauth2-mock-server'

export interface TokenForm {
  readonly [field: string]: string | undefined
}

export class AuthorizationServer {
  /** The forms of all token requests. */
  readonly asked: TokenForm[] = []
  /** What is wrong with a request, as an OAuth error code; undefined: nothing. */
  judge: (form: TokenForm, authorization: string | undefined) => string | undefined = () => undefined
  /** Fields beside those of every token answer, such as the next refresh token. */
  extra: (form: TokenForm) => object = () => ({})
  expiresInSeconds: number | string = 3_600
  readonly #server = new OAuth2Server()
  readonly #valid = new Set<string>()

  static async start(port = 0): Promise<AuthorizationServer> {
    const one = new AuthorizationServer()
    await one.#server.issuer.keys.generate('ES256') // quicker than RSA, and nobody reads the signature
    await one.#server.start(port, '127.0.0.1')
    one.#server.service.on('beforeResponse', (response: MutableResponse, request: unknown) =>
      one.#respond(response, request as { body: TokenForm; headers: { authorization?: string } }),
    )
    return one
  }

  get tokenUrl(): string {
    return `${this.#server.issuer.url ?? ''}/token`
  }

  /** Whether `Authorization: Bearer …` has a token of ours that still counts. */
  accepts(header: string | undefined): boolean {
    return header !== undefined && this.#valid.has(header.replace(/^Bearer /, ''))
  }

  expire(header: string | undefined): void {
    this.#valid.delete((header ?? '').replace(/^Bearer /, ''))
  }

  stop(): Promise<void> {
    return this.#server.stop()
  }

  #respond(
    response: MutableResponse,
    { body, headers }: { body: TokenForm; headers: { authorization?: string } },
  ): void {
    this.asked.push({ ...body })
    const error = this.judge(body, headers.authorization)
    if (error !== undefined) {
      response.statusCode = error === 'invalid_client' ? 401 : 400
      response.body = { error }
      return
    }
    const token = `tok-${this.asked.length}-${Math.random().toString(36).slice(2)}`
    this.#valid.add(token)
    response.body = {
      access_token: token,
      token_type: 'Bearer',
      expires_in: this.expiresInSeconds,
      ...this.extra(body),
    }
  }
}
