// A fake Stripe: objects by id and lists of them, and events, the newest first, a page of at most `limit` after the one that is named.

import type Stripe from 'stripe'
import { ApiFake } from '../../testing/api-fake.js'

type Fixture = Readonly<Record<string, unknown>>
export type FakeEvent = Pick<Stripe.Event, 'id' | 'created' | 'type'> & Fixture

export class StripeFake {
  /** By `subscriptions/sub_1`. */
  readonly objects = new Map<string, Fixture>()
  events: readonly FakeEvent[] = []
  readonly undelivered = new Set<string>()
  readonly api = new ApiFake('Bearer key', url => this.#answer(url))

  #answer({ pathname, searchParams }: URL): object | undefined {
    const path = pathname.replace(/^\/v1\//, '')
    if (path === 'events') return this.#list('/v1/events', this.#found(searchParams), searchParams)
    const one = this.objects.get(path)
    if (one !== undefined) return one
    const all = [...this.objects].filter(([key]) => key.startsWith(`${path}/`)).map(([, object]) => object)
    return path.includes('/') ? undefined : this.#list(`/v1/${path}`, all, searchParams)
  }

  #found(query: URLSearchParams): readonly FakeEvent[] {
    const types = [...query].filter(([name]) => /^types\[\d+\]$/.test(name)).map(([, type]) => type)
    if (types.length > 20) throw new Error('Stripe takes 20 types at most')
    const [from, until] = [Number(query.get('created[gte]')), Number(query.get('created[lt]'))]
    return this.events
      .filter(
        ({ created, type }) =>
          created >= from && created < until && (types.length === 0 || types.includes(type)),
      )
      .filter(({ id }) => query.get('delivery_success') !== 'false' || this.undelivered.has(id))
      .toSorted((a, b) => b.created - a.created)
  }

  #list(url: string, all: readonly Fixture[], query: URLSearchParams): object {
    const after = query.get('starting_after')
    const limit = Math.min(100, Number(query.get('limit') ?? '10'))
    const from = after === null ? 0 : all.findIndex(one => one['id'] === after) + 1
    return { object: 'list', url, has_more: from + limit < all.length, data: all.slice(from, from + limit) }
  }
}
