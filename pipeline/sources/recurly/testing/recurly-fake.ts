// A fake Recurly: objects by id, and lists in the order of `updated_at`, a page after a cursor.

import { basicHeader } from '../../basic-proof.js'
import type { ForeignObject } from '../../map/object-fields.js'
import { ApiFake, pageOf } from '../../testing/api-fake.js'

const kinds: Readonly<Record<string, string>> = {
  accounts: 'account',
  subscriptions: 'subscription',
  invoices: 'invoice',
  transactions: 'transaction',
}

export class RecurlyFake {
  readonly objects: ForeignObject[] = []
  readonly api = new ApiFake(basicHeader('key', ''), url => this.#answer(url))
  readonly #pageMost: number

  constructor(pageMost = 200) {
    this.#pageMost = pageMost
  }

  #answer({ pathname, searchParams: query }: URL): object | undefined {
    const [, list = '', id] = pathname.split('/')
    const all = this.objects.filter(one => one['object'] === kinds[list])
    if (id !== undefined)
      return all.find(one => [one['id'], `uuid-${one['uuid']}`].includes(decodeURIComponent(id)))
    if (kinds[list] === undefined || query.get('sort') !== 'updated_at' || query.get('order') !== 'asc')
      return undefined
    const [from, until] = [query.get('begin_time') ?? '', query.get('end_time') ?? '9']
    const found = all
      .filter(one => String(one['updated_at']) >= from && String(one['updated_at']) <= until)
      .toSorted((a, b) => (String(a['updated_at']) < String(b['updated_at']) ? -1 : 1))
    const { page, next } = pageOf(
      found,
      query.get('cursor'),
      Math.min(this.#pageMost, Number(query.get('limit'))),
    )
    query.set('cursor', next)
    return {
      object: 'list',
      has_more: next !== '',
      next: next === '' ? null : `/${list}?${query}`,
      data: page,
    }
  }
}
