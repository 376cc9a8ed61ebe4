// One call of Intacct's XML gateway: the envelope with who we are, and the answer read to the level that failed.
// Invariant: only `success` at all levels is a success, whatever the status of HTTP says.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { Api, type ApiAnswer, nobodyThere, strangeAnswer } from '../http/api.js'
import type { Authorizer } from '../http/authorizer.js'
import { type XmlTree, xmlOf, xmlText } from '../http/xml.js'
import type { IntacctSettings } from './config.js'
import { outcomeOfErrors } from './outcome.js'

const text = z.string().default('')
const errorsSchema = z
  .object({
    error: z.array(z.object({ errorno: text, description: text, description2: text, correction: text })),
  })
  .transform(({ error }) => error)
  .catch([])
const statusSchema = z.object({ status: z.string() })
const answerSchema = z.object({
  response: z.object({
    control: statusSchema,
    errormessage: errorsSchema,
    operation: z
      .object({
        authentication: statusSchema,
        errormessage: errorsSchema,
        result: statusSchema.extend({ data: z.unknown().optional(), errormessage: errorsSchema }).optional(),
      })
      .optional(),
  }),
})

export interface GatewayCall {
  readonly controlId: string
  /** Intacct refuses a control id that it has had. */
  readonly isUnique: boolean
  /** The function by its name. */
  readonly call: XmlTree
}

export type GatewayResult =
  | { readonly kind: 'ok'; readonly data: unknown; readonly answer: ApiAnswer }
  | { readonly kind: 'failed'; readonly outcome: PutOutcome }

export class Gateway {
  readonly #settings: IntacctSettings
  readonly #parts: ConnectorParts
  readonly #api: Api

  constructor(settings: IntacctSettings, parts: ConnectorParts, requestMs: number) {
    this.#settings = settings
    this.#parts = parts
    const { limiter, nowMs } = parts
    this.#api = new Api({ baseUrl: settings.url, authorizer: this.#authorizer(), limiter, requestMs, nowMs })
  }

  async call(call: GatewayCall, signal: AbortSignal): Promise<GatewayResult> {
    const { url, auth } = this.#settings
    const sender = this.#parts.secret(auth.sender_password)
    if (sender.kind !== 'ok') return { kind: 'failed', outcome: sender }
    const user = this.#parts.secret(auth.user_password)
    if (user.kind !== 'ok') return { kind: 'failed', outcome: user }
    const body = this.#envelope(call, sender.secret, user.secret)
    const answer = await this.#api.send(
      { method: 'POST', path: url, body: { text: body, contentType: 'application/xml; charset=utf-8' } },
      signal,
    )
    return answer.kind === 'failed' ? answer : resultOf(answer)
  }

  #envelope(
    { controlId, isUnique, call }: GatewayCall,
    senderPassword: string,
    userPassword: string,
  ): string {
    const { company, location, auth } = this.#settings
    const login = { userid: auth.user_id, companyid: company, password: userPassword, locationid: location }
    return xmlText({
      request: {
        control: {
          senderid: auth.sender_id,
          password: senderPassword,
          controlid: controlId,
          uniqueid: String(isUnique),
          dtdversion: '3.0',
          includewhitespace: 'false',
        },
        operation: {
          authentication: { login },
          content: { function: { '@controlid': controlId, ...call } },
        },
      },
    })
  }

  /** The passwords stand in the body; here they are named so that they are taken out of what is kept. */
  #authorizer(): Authorizer {
    const { auth } = this.#settings
    return {
      authorize: async () => {
        const secrets: string[] = []
        for (const source of [auth.sender_password, auth.user_password]) {
          const read = this.#parts.secret(source)
          if (read.kind !== 'ok') return read
          secrets.push(read.secret, escaped(read.secret))
        }
        return { kind: 'ok', headers: {}, secrets }
      },
      refused: () => false,
    }
  }
}

function resultOf(answer: ApiAnswer): GatewayResult {
  const parsed = answerSchema.safeParse(xmlOf(answer, ['error', 'glbatch', 'glentry']))
  if (!parsed.success) {
    if (answer.status < 300) return { kind: 'failed', outcome: strangeAnswer(answer) }
    if (answer.status === 404 || answer.status === 405)
      return { kind: 'failed', outcome: nobodyThere(answer) }
    const detail = `HTTP ${answer.status}: ${answer.redact(answer.body)}`
    return { kind: 'failed', outcome: { kind: 'refused', code: 'receiver_refused', detail } }
  }
  const { control, errormessage, operation } = parsed.data.response
  const failed = (
    level: Parameters<typeof outcomeOfErrors>[0],
    errors: typeof errormessage,
  ): GatewayResult => ({
    kind: 'failed',
    outcome: outcomeOfErrors(level, errors, answer.redact),
  })
  if (control.status !== 'success') return failed('request', errormessage)
  if (operation === undefined) return { kind: 'failed', outcome: strangeAnswer(answer) }
  if (operation.authentication.status !== 'success') return failed('authentication', operation.errormessage)
  const { result } = operation
  if (result === undefined)
    return operation.errormessage.length > 0
      ? failed('request', operation.errormessage)
      : { kind: 'failed', outcome: strangeAnswer(answer) }
  if (result.status !== 'success') return failed('function', result.errormessage)
  return { kind: 'ok', data: result.data, answer }
}

/** A secret as it stands in XML. */
function escaped(secret: string): string {
  return xmlText({ a: secret })
    .replace(/^.*<a>/, '')
    .replace(/<\/a>$/, '')
}
