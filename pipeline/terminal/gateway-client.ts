// How commands talk to a running Weir: one HTTP request, and trouble told in one sentence.

import { type CliIo, exitCodes } from './io.js'

export interface Gateway {
  readonly url: string
  readonly apiKey: string | undefined
}

/** Runs what talks to the gateway; trouble is one sentence and exit code 1. */
export async function answer(io: CliIo, work: () => Promise<void>): Promise<number> {
  try {
    await work()
    return exitCodes.ok
  } catch (error) {
    io.stderr.write(`${(error as Error).message}\n`)
    return exitCodes.failed
  }
}

/** One request; anything but success throws one sentence with the code of the problem. */
export async function callGateway<T>(gateway: Gateway, path: string, init: RequestInit = {}): Promise<T> {
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
  const text = await response.text()
  if (response.ok) return JSON.parse(text) as T
  const problem = problemOf(text)
  throw new Error(`${response.status} ${problem ?? text}`)
}

/** `fetch failed` says nothing; what lies under it does. */
function innermost(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.cause !== undefined) return innermost(error.cause)
  const { code } = error as NodeJS.ErrnoException
  return error.message === '' ? (code ?? error.name) : error.message
}

function problemOf(text: string): string | undefined {
  try {
    const { code, detail } = JSON.parse(text) as { code?: string; detail?: string }
    return code === undefined ? undefined : `${code}: ${detail ?? ''}`
  } catch {
    return undefined
  }
}
