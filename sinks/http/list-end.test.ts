// A receiver that never says that its list has ended keeps nobody for ever, and proves nothing.

import { expect, test } from 'vitest'
import { z } from 'zod'
import { queryAll } from '../zuora/queries.js'
import { Api, type ApiAnswer } from './api.js'
import { rowsOf } from './odata.js'

/** Answers every request alike, without HTTP. */
function answering(body: string): { readonly api: Api; readonly asked: () => number } {
  let count = 0
  const answer = { kind: 'answer', status: 200, headers: new Headers(), body, redact: (text: string) => text }
  const send = async () => {
    count += 1
    return answer as unknown as ApiAnswer
  }
  return { api: Object.assign(Object.create(Api.prototype) as Api, { send }), asked: () => count }
}

const { signal } = new AbortController()
const endless = { kind: 'failed', outcome: { kind: 'unclear', code: 'list_without_end' } }

test('a list without an end is read to a bound, and nothing is known from it', async () => {
  const zuora = answering('{"records":[{"Id":"1"}],"done":false,"queryLocator":"l"}')
  expect(await queryAll(zuora.api, 'q', () => false, signal)).toMatchObject(endless)
  const odata = answering('{"value":[],"@odata.nextLink":"/again"}')
  const asked = { path: '/rows', query: {}, row: z.unknown() }
  const outcomeOfRefusal = () => ({ kind: 'unclear', code: 'no_answer', detail: '' }) as const
  expect(await rowsOf(odata.api, { ...asked, outcomeOfRefusal }, signal)).toMatchObject(endless)
  expect([zuora.asked(), odata.asked()]).toEqual([10_000, 10_000])
})
