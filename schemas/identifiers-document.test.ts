// Holds the rule of docs/publishing-over-nats.md, with its examples and its code, against the code that Weir runs.

import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { customerOfSubject, customerToken } from './identifiers.js'
import { packageRoot } from './package-root.js'

const text = readFileSync(new URL('docs/publishing-over-nats.md', packageRoot), 'utf8')

/** Rows of the table: the id, its subject by the rule, other subjects. */
const examples = [...text.matchAll(/^\| `([^`]+)` \| `usage\.([^`]+)` \|(.*)\|$/gm)].map(
  ([, id, token, also]) => ({
    id: id!,
    token: token!,
    also: [...also!.matchAll(/`usage\.([^`]+)`/g)].map(([, tail]) => tail!),
  }),
)

const codeOf = (language: string): string =>
  new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(text)![1]!

test('every example of the document is what Weir makes of the id, and every other subject names it too', () => {
  expect(examples.length).toBeGreaterThanOrEqual(10)
  for (const { id, token, also } of examples) {
    expect(customerToken(id)).toBe(token)
    for (const tail of [token, ...also]) expect(customerOfSubject(tail)).toBe(id)
  }
})

test('the JavaScript of the document makes the same tokens', () => {
  const documented = new Function(`${codeOf('js')}; return customerToken`)() as (id: string) => string
  for (const { id, token } of examples) expect(documented(id)).toBe(token)
})

test.skipIf(spawnSync('python3', ['--version']).status !== 0)('the Python of the document does too', () => {
  const program = `${codeOf('python')}\nimport sys, json\nprint(json.dumps([customer_token(id) for id in json.load(sys.stdin)]))`
  const input = JSON.stringify(examples.map(({ id }) => id))
  const printed = execFileSync('python3', ['-c', program], { input, encoding: 'utf8' })
  expect(JSON.parse(printed)).toEqual(examples.map(({ token }) => token))
})
