// How commands call the HTTP API of a running Weir, and report an error in one sentence.

import { type CliIo, exitCodes } from './io.js'

export interface Gateway {
  readonly url: string
  readonly apiKey: string | undefined
}

export interface GatewayArguments {
  readonly gateway: Gateway
  /** Print JSON instead of text for people. */
  readonly json: boolean
}

interface ProblemWire {
  readonly code?: string
  readonly detail?: string
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[]
}

/** Errors of one problem that are printed. */
const mostLines = 10

/** Runs `work`; an error is printed in one sentence, with exit code 1. */
export async function answer(io: CliIo, work: () => Promise<void>): Promise<number> {
  try {
    await work()
    return exitCodes.ok
  } catch (error) {
    io.stderr.write(`${(error as Error).message}\n`)
    return exitCodes.failed
  }
}

/** One request. Throws unless it succeeds; the message holds the code of the problem. */
export async function callGateway<T>(gateway: Gateway, path: string, init: RequestInit = {}): Promise<T> {
  return (await (await requestOf(gateway, path, init)).json()) as T
}

/** Like `callGateway`, for a body that is no JSON. */
export async function readGateway(gateway: Gateway, path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await requestOf(gateway, path, {})).arrayBuffer())
}

async function requestOf(gateway: Gateway, path: string, init: RequestInit): Promise<Response> {
  const authorization = gateway.apiKey === undefined ? {} : { authorization: `Bearer ${gateway.apiKey}` }
  let response: Response
  try {
    response = await fetch(`${gateway.url}${path}`, {
      ...init,
      headers: { ...init.headers, ...authorization },
    })
  } catch (cause) {
    const where = `${gateway.url} (${innermost(cause)})`
    throw new Error(`No Weir answers at ${where}. Start one with \`weir start\`, or name it with --url.`, {
      cause,
    })
  }
  if (response.ok) return response
  const text = await response.text()
  const problem = problemOf(text)
  throw new Error(`${response.status} ${problem ?? text}`)
}

/** The innermost cause: the message of `fetch` itself is only "fetch failed". */
function innermost(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.cause !== undefined) return innermost(error.cause)
  const { code } = error as NodeJS.ErrnoException
  return error.message === '' ? (code ?? error.name) : error.message
}

function problemOf(text: string): string | undefined {
  try {
    const { code, detail = '', errors = [] } = JSON.parse(text) as ProblemWire
    if (code === undefined) return undefined
    const [first, ...others] = errors.map(placed)
    if (first === undefined) return `${code}: ${detail}`
    // The first error is mostly what the detail says, and then brings the place.
    const lines = errors[0]?.detail === detail ? [first, ...others] : [detail, first, ...others]
    return `${code}: ${lines.slice(0, mostLines).join('\n  ')}${lines.length > mostLines ? '\n  …' : ''}`
  } catch {
    return undefined
  }
}

/** `time_zone: It is missing.` for a member of the body, `?anchor: …` for a parameter. */
function placed({ pointer, detail }: { readonly pointer: string; readonly detail: string }): string {
  const place = pointer.replace(/^\//, '')
  return place === '' ? detail : `${place}: ${detail}`
}
