// A fake Chargebee: events and objects, in lists of a page after an offset.

import { basicHeader } from '../../basic-proof.js'
import type { ForeignObject } from '../../map/object-fields.js'
import { ApiFake, pageOf } from '../../testing/api-fake.js'

export class ChargebeeFake {
  events: readonly ForeignObject[] = []
  /** By kind, such as `subscription`. */
  readonly objects = new Map<string, readonly ForeignObject[]>()
  readonly api = new ApiFake(basicHeader('key', ''), url => this.#answer(url))

  #answer({ pathname, searchParams: query }: URL): object | undefined {
    const [, list = '', id] = pathname.replace(/^\/api\/v2/, '').split('/')
    const kind = list.replace(/s$/, '')
    const all = kind === 'event' ? this.events : (this.objects.get(kind) ?? [])
    if (id !== undefined) {
      const one = all.find(object => object['id'] === id)
      return one === undefined ? undefined : { [kind]: one }
    }
    const found =
      kind === 'event'
        ? this.#found(query)
        : all.filter(one => Number(one['updated_at']) > Number(query.get('updated_at[after]') ?? '0'))
    const { page, next } = pageOf(found, query.get('offset'), Number(query.get('limit')))
    return { list: page.map(one => ({ [kind]: one })), ...(next === '' ? {} : { next_offset: next }) }
  }

  #found(query: URLSearchParams): readonly ForeignObject[] {
    const namesOf = (name: string) => JSON.parse(query.get(name) ?? 'null') as readonly string[] | null
    const [wanted, unwanted] = [namesOf('event_type[in]'), namesOf('event_type[not_in]')]
    const [from = 0, until = 0] = namesOf('occurred_at[between]')?.map(Number) ?? []
    if (query.get('sort_by[asc]') !== 'occurred_at') throw new Error('events are asked for in their order')
    return this.events
      .filter(one => Number(one['occurred_at']) >= from && Number(one['occurred_at']) <= until)
      .filter(one => wanted?.includes(String(one['event_type'])) ?? true)
      .filter(one => !(unwanted?.includes(String(one['event_type'])) ?? false))
      .toSorted((a, b) => Number(a['occurred_at']) - Number(b['occurred_at']))
  }
}
