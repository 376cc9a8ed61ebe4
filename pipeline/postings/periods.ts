// Closing and reopening the periods of an entity's books, and what stands about them.
// Invariants:
// 1. A period is closed behind the fence of the book as it was when nothing unsettled was found: what was posted in between
//    makes it look again. After that no entry is stored in the period (book.ts).
// 2. Every change is on record before it takes effect, and reopening has a reason. A close that is on record and did not take
//    effect, because something unsettled was posted meanwhile, is followed by `period.close_refused`.

import {
  type AccountingCalendars,
  type AccountingPeriod,
  calendarOf,
  type EntityCalendar,
  lastDayOverAt,
  periodNamed,
} from '../../schemas/accounting-calendar/accounting-calendar.js'
import { entityToken } from '../../schemas/identifiers.js'
import { nearestHint } from '../../schemas/nearest-name.js'
import { formatInstantMs, nsOf } from '../../schemas/time.js'
import { readStretch } from '../broker/read-stream.js'
import type { AuditTrail } from '../gateway/audit-trail.js'
import { Problem } from '../gateway/problem.js'
import type { Caller } from '../gateway/scopes.js'
import {
  appendToBook,
  type Book,
  type BookParts,
  bookSubjects,
  messageOf,
  type PeriodsMessage,
  periodsMessageSchema,
  readBook,
  tokensOf,
} from './book.js'
import { calendarsOrProblem } from './calendars-file.js'

export const blockerKinds = [
  'unbilled',
  'held_back',
  'billing_run',
  'held_batch',
  'unacknowledged',
  'release',
  'set_aside',
  'delivery',
  'behind',
] as const
export type BlockerKind = (typeof blockerKinds)[number]

/** Something that belongs to a period and is not settled. */
export interface Blocker {
  readonly kind: BlockerKind
  readonly id: string
  readonly detail: string
}

export interface PeriodOfEntity extends AccountingPeriod {
  readonly entityId: string
}

export interface BlockersRequest {
  readonly period: PeriodOfEntity
  /** As it is then. */
  readonly book: Book
  readonly calendars: AccountingCalendars
  readonly caller: Caller
}
export type BlockersOf = (request: BlockersRequest) => Promise<readonly Blocker[]>

export interface PeriodsOptions extends BookParts {
  readonly calendarsFile?: string | undefined
  readonly audit: AuditTrail
  readonly blockers: BlockersOf
  readonly nowMs: () => number
}

/** What an act of the audit trail makes of a period: before and after. */
const states = {
  'period.closed': ['open', 'closed'],
  'period.close_refused': ['open', 'open'],
  'period.reopened': ['closed', 'open'],
} as const

/** How often a close looks again when something was posted while it looked. */
const mostLooks = 10

export class Periods {
  readonly #options: PeriodsOptions

  constructor(options: PeriodsOptions) {
    this.#options = options
  }

  nowMs(): number {
    return this.#options.nowMs()
  }

  calendars(): Promise<AccountingCalendars> {
    return calendarsOrProblem(this.#options.calendarsFile)
  }

  /** The closed periods of every entity that ever closed one. */
  async closed(): Promise<readonly PeriodsMessage[]> {
    const tokens = await tokensOf(this.#options, bookSubjects.periods('*'))
    const messages = await Promise.all(
      tokens.map(token =>
        this.#options.jsm.streams.getMessage('POSTINGS', { last_by_subj: bookSubjects.periods(token) }),
      ),
    )
    return messages.flatMap(message => (message === null ? [] : [periodsMessageSchema.parse(message.json())]))
  }

  /** The last change of each period that was ever closed, by entity and period. */
  async changes(): Promise<readonly (PeriodsMessage['change'] & { readonly entityId: string })[]> {
    const last = new Map<string, PeriodsMessage['change'] & { readonly entityId: string }>()
    const stretch = { stream: 'POSTINGS', filterSubject: bookSubjects.periods('*'), from: 1 }
    for await (const message of readStretch(this.#options.js, stretch, new AbortController().signal)) {
      const { entity_id: entityId, change } = periodsMessageSchema.parse(message.json())
      last.set(JSON.stringify([entityId, change.period]), { ...change, entityId })
    }
    return [...last.values()]
  }

  /**
   * Refuses an entity that nothing is posted for, no calendar names and nothing is due for: nothing keeps its periods open, and
   * whoever misspells a name must not close its books.
   */
  async requireEntity(entityId: string, period: string, caller: Caller): Promise<void> {
    const { byEntity } = await this.calendars()
    if (entityId === '' || byEntity.has(entityId)) return
    const [token, tokens] = [entityToken(entityId), await tokensOf(this.#options, '*.*')]
    if (tokens.includes(token) || (await this.blockersOf(entityId, period, caller)).length > 0) return
    const hint = nearestHint(entityId, [...byEntity.keys(), ...tokens])
    throw new Problem(
      'unknown_entity',
      `Nothing is posted for an entity ${entityId}, and no calendar names it${hint}.`,
    )
  }

  async blockersOf(entityId: string, name: string, caller: Caller): Promise<readonly Blocker[]> {
    const period = await this.#period(entityId, name)
    const [book, calendars] = [await readBook(this.#options, entityToken(entityId)), await this.calendars()]
    return this.#options.blockers({ period, book, calendars, caller })
  }

  /** Whether its last day is over in the entity's time zone. */
  async isOver(entityId: string, name: string): Promise<boolean> {
    const period = await this.#period(entityId, name)
    return this.#isOver(period, calendarOf(await this.calendars(), entityId))
  }

  #isOver({ last }: AccountingPeriod, calendar: EntityCalendar): boolean {
    return last <= lastDayOverAt(calendar, nsOf(this.#options.nowMs()))
  }

  async close(entityId: string, name: string, caller: Caller): Promise<PeriodsMessage> {
    const period = await this.#period(entityId, name)
    const calendars = await this.calendars()
    const calendar = calendarOf(calendars, entityId)
    if (!this.#isOver(period, calendar)) {
      const detail = `${name} lasts until ${period.last}, which is not over in ${calendar.timezone}.`
      throw new Problem('not_over_yet', detail)
    }
    let isOnRecord = false
    const refused = async (blockers: readonly Blocker[]): Promise<Problem> => {
      const problem = notSettled(period, blockers)
      if (isOnRecord) await this.#record('period.close_refused', period, caller, problem.message) // invariant 2
      return problem
    }
    for (let look = 0; look < mostLooks; look += 1) {
      const book = await readBook(this.#options, entityToken(entityId))
      if (book.closed.some(one => one.period === name))
        throw new Problem('period_not_open', `${name} of entity ${entityId || '(none)'} is closed already.`)
      const blockers = await this.#options.blockers({ period, book, calendars, caller })
      if (blockers.length > 0) throw await refused(blockers)
      if (!isOnRecord) await this.#record('period.closed', period, caller)
      isOnRecord = true
      const stored = await this.#append(book, period, { act: 'closed', caller, reason: null })
      if (stored !== undefined) return stored // invariant 1
    }
    const detail = 'entries were posted all the time while it was looked at; ask again'
    throw await refused([{ kind: 'behind', id: '', detail }])
  }

  /** Also a period that the calendar does not have any more, under the name by which it was closed. */
  async reopen(entityId: string, name: string, reason: string, caller: Caller): Promise<PeriodsMessage> {
    let isOnRecord = false
    for (;;) {
      const book = await readBook(this.#options, entityToken(entityId))
      const closed = book.closed.find(one => one.period === name)
      const period = closed === undefined ? await this.#period(entityId, name) : { ...closed, name, entityId }
      if (closed === undefined)
        throw new Problem('period_not_closed', `${name} of entity ${entityId || '(none)'} is open already.`)
      if (!isOnRecord) await this.#record('period.reopened', period, caller, reason)
      isOnRecord = true
      const stored = await this.#append(book, period, { act: 'reopened', caller, reason })
      if (stored !== undefined) return stored
    }
  }

  async #period(entityId: string, name: string): Promise<PeriodOfEntity> {
    const calendar = calendarOf(await this.calendars(), entityId)
    const period = periodNamed(calendar, name)
    if (period === undefined) throw unknownPeriod(entityId, name, calendar)
    return { ...period, entityId }
  }

  #record(
    act: keyof typeof states,
    { entityId, name }: PeriodOfEntity,
    caller: Caller,
    reason?: string,
  ): Promise<void> {
    const object = { kind: 'accounting_period', id: `${entityId || '(none)'} ${name}` }
    const [before, after] = states[act]
    return this.#options.audit.record({ caller, act, object, before, after, ...(reason ? { reason } : {}) })
  }

  /** Undefined: the book has changed since it was read. */
  async #append(
    book: Book,
    { entityId, name, first, last }: PeriodOfEntity,
    { act, caller, reason }: { act: 'closed' | 'reopened'; caller: Caller; reason: string | null },
  ): Promise<PeriodsMessage | undefined> {
    const at = formatInstantMs(this.#options.nowMs())
    const by = caller.keyId === undefined ? null : { key_id: caller.keyId, name: caller.keyName ?? '' }
    const others = book.closed.filter(one => one.period !== name)
    const message: PeriodsMessage = {
      entity_id: entityId,
      closed:
        act === 'closed' ? [...others, { period: name, first, last, closed_at: at, closed_by: by }] : others,
      change: { act, period: name, at, by, reason },
    }
    const outgoing = [messageOf(bookSubjects.periods(book.token), message)]
    return (await appendToBook(this.#options, book, outgoing, book)) ? message : undefined
  }
}

function notSettled({ name, entityId }: PeriodOfEntity, blockers: readonly Blocker[]): Problem {
  const detail = `${name} of entity ${entityId || '(none)'} stays open: ${blockers.length} of what belongs to it is not settled, the first ${blockers[0]!.kind} ${blockers[0]!.id}: ${blockers[0]!.detail}`
  return new Problem('period_not_settled', detail, { extra: { blockers } })
}

function unknownPeriod(entityId: string, name: string, { periods }: EntityCalendar): Problem {
  const hint =
    periods === 'months'
      ? '; periods are months such as 2026-01'
      : nearestHint(
          name,
          periods.map(one => one.name),
        )
  return new Problem('unknown_period', `Entity ${entityId || '(none)'} has no period ${name}${hint}.`)
}
