// One request and its answer, from the moment that it is known who asks.

import type { IncomingMessage } from 'node:http'
import type { Answer } from './answer.js'
import type { Call, Connection, Engine } from './engine.js'
import type { Parameters } from './parameters.js'
import { applying, type RequestSettings, undoing } from './prelude.js'
import type { RunningStatement } from './running.js'

export interface Exchange {
  readonly statement: RunningStatement
  readonly request: IncomingMessage
  readonly answer: Answer
  readonly parameters: Parameters
  readonly settings: RequestSettings
  /** The statements that a fresh connection begins with; after them it has the rights of the role. */
  readonly opening: string
  /** Of the session; null: the statement has a connection of its own. */
  readonly connection: Connection | null
}

/** Runs a statement in the state that the request asks for: on its session's connection or on one of its own. */
export async function asAsked<T>(
  engine: Engine,
  { statement, connection, opening }: Exchange,
  settings: RequestSettings,
  work: (call: Call) => Promise<T>,
): Promise<T> {
  const { role, signal } = statement
  if (connection === null) return work({ role, signal, prelude: opening + applying(settings) })
  const undo = await undoing(engine, { role, signal, connection, prelude: '' }, settings)
  try {
    return await work({ role, signal, connection, prelude: applying({ ...settings, readonly: null }) })
  } finally {
    await engine.read({ role, connection, prelude: '' }, undo, 'Null')
  }
}
