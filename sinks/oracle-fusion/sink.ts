// The connector to Oracle Fusion General Ledger: a page of journals is one import (FBDI), and each journal a batch of its own name.
// Invariants:
// 1. Whether a journal is there is read from the journal batches by its name, and never from the status of an import.
// 2. An import is all or nothing. Rows that its report names refuse their journals, and the others go again without them; where
//    it names none, the group is halved until one journal is alone.
// 3. Each import has a group of its own, because rejected rows stay in the interface and would be imported with the next ones
//    of their group.
// 4. While an import of ours is under way, or ended without an error and its batch is not seen, nothing of it is sent again.
//    Its ESS request is kept with the deliveries before we wait for it, so a restart knows it too.

import { randomInt } from 'node:crypto'
import type {
  CheckOutcome,
  Connector,
  DocumentRange,
  FindOutcome,
  Placed,
  PutOutcome,
  ReceiverDocument,
  SentRecord,
  Taken,
} from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { Deadline } from '../deadline.js'
import { Api } from '../http/api.js'
import { type Authorizer, basic, bearer } from '../http/authorizer.js'
import { unavailable, unknownYet } from '../http/outcome.js'
import { prefixPlace, settingsOf } from '../kept-prefix.js'
import { clientCredentials } from '../oauth/client-credentials.js'
import { batchesNamed } from './batches.js'
import type { OracleFusionSettings } from './config.js'
import { reportOf, startImport, statusOf, waitForEnd } from './imports.js'
import { refusalIn, refusalOfWhole } from './outcome.js'
import { batchNameOf, type JournalRows, rowsOf } from './records.js'

const requestMs = 120_000
const minuteMs = 60_000

export class OracleFusionConnector implements Connector {
  /** An import takes minutes whatever is in it. */
  readonly pageSize = 200
  readonly attemptMs: number
  readonly settlesWithinMs: number
  readonly #settings: OracleFusionSettings
  readonly #parts: ConnectorParts
  readonly #api: Api

  constructor(settings: OracleFusionSettings, parts: ConnectorParts) {
    this.#settings = settings
    this.#parts = parts
    const { limiter, nowMs } = parts
    // The first import and the one without the rejected rows.
    this.attemptMs = 2 * (settings.import_minutes * minuteMs + requestMs)
    this.settlesWithinMs = settings.settles_within_minutes * minuteMs
    this.#api = new Api({
      baseUrl: settings.url,
      authorizer: authorizerOf(settings, parts),
      limiter,
      requestMs,
      nowMs,
    })
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const broken = await this.#parts.mapping.problem()
    if (broken !== undefined) return broken
    const asked = await batchesNamed(this.#api, [`${this.#settings.prefix}check `], signal)
    return asked.kind === 'ok' ? { kind: 'ready' } : unavailable(asked.outcome)
  }

  /** Our key is found by the prefix that it was sent with, whatever the setting says by now. */
  place(): Promise<Placed> {
    return prefixPlace(this.#settings)
  }

  async put(
    records: readonly SentRecord[],
    signal: AbortSignal,
    taken?: Taken,
  ): Promise<readonly PutOutcome[]> {
    const outcomes = new Map<string, PutOutcome>()
    const journals: JournalRows[] = []
    for (const record of records) {
      const made = rowsOf(record, await this.#parts.mapping.of(record), settingsOf(this.#settings, record))
      if (made.kind === 'ok') journals.push(made)
      else outcomes.set(record.key, made)
    }
    const groups = [journals]
    for (let group = groups.shift(); group !== undefined; group = groups.shift())
      if (group.length > 0) groups.unshift(...(await this.#import(group, outcomes, signal, taken)))
    return records.map(({ key }) => outcomes.get(key) ?? unseen)
  }

  async find(record: SentRecord, signal: AbortSignal): Promise<FindOutcome> {
    const { receipt: requestId } = record
    // The import is asked first: its batch may come between two questions, and its end does not.
    const ended = requestId === undefined ? undefined : await statusOf(this.#api, requestId, signal)
    const name = batchNameOf(record, settingsOf(this.#settings, record))
    const asked = await batchesNamed(this.#api, [`${name} `], signal)
    if (asked.kind === 'failed') return unknownYet(asked.outcome)
    const found = asked.batches.find(one => one.name === name)
    if (found !== undefined) return { kind: 'there', externalId: found.id, state: found.state }
    if (requestId === undefined || ended === undefined) return { kind: 'absent' }
    if (ended.kind === 'failed') return unknownYet(ended.outcome)
    if (ended.kind === 'running') return unknownYet(stillRuns(requestId, ended.status)) // invariant 4
    return ended.status === 'ERROR' ? { kind: 'absent' } : unknownYet(notSeen(requestId, ended.status))
  }

  async *documents({ from, until }: DocumentRange, signal: AbortSignal): AsyncGenerator<ReceiverDocument> {
    const { prefix, currency } = this.#settings
    const asked = await batchesNamed(this.#api, [prefix], signal)
    if (asked.kind === 'failed')
      throw new Error('detail' in asked.outcome ? asked.outcome.detail : asked.outcome.kind)
    for (const { id: externalId, name, description: date, state, debit } of asked.batches) {
      if (!name.startsWith(prefix) || date < from || date > until) continue
      const key = name.slice(prefix.length)
      yield { key, externalId, state, date, currency, ...(debit === undefined ? {} : { debit }) }
    }
  }

  /** Imports a group and waits for its end; gives the groups that go again (invariant 2). */
  async #import(
    group: readonly JournalRows[],
    outcomes: Map<string, PutOutcome>,
    signal: AbortSignal,
    taken: Taken | undefined,
  ): Promise<JournalRows[][]> {
    const all = (outcome: PutOutcome): JournalRows[][] => {
      for (const { record } of group) outcomes.set(record.key, outcome)
      return []
    }
    if (signal.aborted) return all(unsent)
    const groupId = String(randomInt(1, 2 ** 47)) // invariant 3
    const started = await startImport(this.#api, this.#settings, group, groupId, signal)
    if (started.kind === 'failed') return all(started.outcome)
    const { requestId } = started
    await taken?.(
      group.map(({ record }) => record.key),
      requestId,
    )
    const { poll_seconds: pollSeconds, import_minutes: minutes } = this.#settings
    const waiting = new Deadline(minutes * minuteMs, signal)
    const status = await waitForEnd(this.#api, requestId, pollSeconds * 1_000, waiting.signal)
    waiting.end()
    if (status.kind !== 'ended')
      return all(status.kind === 'failed' ? asUnclear(status.outcome) : stillRuns(requestId, status.status))
    const names = group.map(({ record }) => batchNameOf(record, settingsOf(this.#settings, record)))
    const asked = await batchesNamed(
      this.#api,
      names.map(one => `${one} `),
      signal,
    )
    if (asked.kind === 'failed') return all(asUnclear(asked.outcome))
    const missing: JournalRows[] = []
    for (const [index, journal] of group.entries()) {
      const found = asked.batches.find(one => one.name === names[index])
      if (found === undefined) missing.push(journal)
      else
        outcomes.set(journal.record.key, {
          kind: found.state === 'posted' ? 'accepted' : 'written',
          externalId: found.id,
        })
    }
    return missing.length === 0 ? [] : this.#rejected(missing, requestId, status.status, outcomes, signal)
  }

  async #rejected(
    missing: readonly JournalRows[],
    requestId: string,
    status: string,
    outcomes: Map<string, PutOutcome>,
    signal: AbortSignal,
  ): Promise<JournalRows[][]> {
    const report = await reportOf(this.#api, requestId, signal)
    const others: JournalRows[] = []
    for (const journal of missing) {
      const refusal = refusalIn(
        report,
        batchNameOf(journal.record, settingsOf(this.#settings, journal.record)),
      )
      if (refusal === undefined) others.push(journal)
      else outcomes.set(journal.record.key, refusal)
    }
    if (others.length < missing.length) return [others]
    // Only an error says that nothing was imported; else the batches may be there and hidden from our user.
    if (status !== 'ERROR') {
      for (const { record } of missing) outcomes.set(record.key, notSeen(requestId, status))
      return []
    }
    const [only, second] = missing
    if (only !== undefined && second === undefined) {
      outcomes.set(only.record.key, refusalOfWhole(status, report))
      return []
    }
    const middle = Math.ceil(missing.length / 2)
    return [missing.slice(0, middle), missing.slice(middle)]
  }
}

function authorizerOf({ auth }: OracleFusionSettings, { secret, nowMs }: ConnectorParts): Authorizer {
  if ('user' in auth)
    return basic(
      () => ({ kind: 'ok', secret: auth.user }),
      () => secret(auth.password),
    )
  const { client_id: clientId, client_secret: source, token_url: tokenUrl, scope } = auth
  return bearer(
    clientCredentials({
      tokenUrl,
      clientId,
      scope,
      proof: { kind: 'secret', secret: () => secret(source), in: 'basic' },
      nowMs,
    }),
  )
}

const unsent: PutOutcome = {
  kind: 'throttled',
  code: 'receiver_unavailable',
  detail: 'the import of others took all the time of this page',
}
const unseen: PutOutcome = { kind: 'unclear', code: 'no_answer', detail: 'no outcome' }

function stillRuns(requestId: string, status: string): Extract<PutOutcome, { kind: 'unclear' }> {
  return { kind: 'unclear', code: 'no_answer', detail: `the import ${requestId} is ${status}` }
}

function notSeen(requestId: string, status: string): Extract<PutOutcome, { kind: 'unclear' }> {
  const detail = `the import ${requestId} ended with ${status}, and our user does not see its batch`
  return { kind: 'unclear', code: 'no_answer', detail }
}

/** The import has been started: what a later question meets says nothing about it. */
function asUnclear(outcome: PutOutcome): PutOutcome {
  return { kind: 'unclear', code: 'no_answer', detail: 'detail' in outcome ? outcome.detail : outcome.kind }
}
