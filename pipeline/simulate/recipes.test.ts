// docs/recipes.md, run as a reader would: its files are written, its commands print what the page shows, and what is owed by
// price is what the page works out by hand. WEIR_WRITE_RECIPES=1 writes the output into the page.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { formatScaled, parseDecimal } from '../../schemas/money/decimal.js'
import { packageRoot } from '../../schemas/package-root.js'
import { simulateCommand } from './simulate-command.js'

const pageFile = fileURLToPath(new URL('docs/recipes.md', packageRoot))
const page = await readFile(pageFile, 'utf8')
const recipes = page.split(/^## /m).slice(1)
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-recipes-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** The files of a recipe: a name in a line of its own, then a block. */
async function writeFiles(recipe: string): Promise<void> {
  for (const [, name, text] of recipe.matchAll(/^`([\w.-]+)`:\n\n```\w*\n([\s\S]*?)^```/gm))
    await writeFile(join(folder, name!), text!)
}

function commandOf(recipe: string) {
  const found = /^\$ weir simulate --catalog (\S+) --events (\S+) --as-of (\S+)\n([\s\S]*?)^```/m.exec(recipe)
  if (found === null) throw new Error(`A recipe without a command: ${recipe.slice(0, 60)}`)
  const [whole, catalog, events, asOf, output] = found
  return {
    whole,
    asOf: asOf!,
    output: output!,
    catalog: [join(folder, catalog!)],
    events: [join(folder, events!)],
  }
}

async function run(recipe: string, json: boolean): Promise<string> {
  let out = ''
  const writer = {
    write(text: string) {
      out += text
    },
  }
  const { catalog, events, asOf } = commandOf(recipe)
  const io = { stdout: writer, stderr: writer, isTTY: false }
  expect([await simulateCommand({ catalog, events, asOf, json }, io), out]).toEqual([0, expect.anything()])
  return json ? out : out.replace(/ +$/gm, '')
}

function scaled(text: string): bigint {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(`${text} is no amount.`)
  return parsed.value
}

for (const recipe of recipes)
  test(recipe.split('\n', 1)[0]!, async () => {
    await writeFiles(recipe)
    const printed = await run(recipe, false)
    const { output, whole } = commandOf(recipe)
    if (process.env['WEIR_WRITE_RECIPES'] !== undefined) {
      const now = await readFile(pageFile, 'utf8')
      const command = whole.split('\n', 1)[0]!
      await writeFile(
        pageFile,
        now.replace(whole, () => `${command}\n${printed}\`\`\``),
      )
    } else expect(output).toBe(printed)
    const { charges, dead_letters: refused } = JSON.parse(await run(recipe, true))
    expect(refused).toEqual([])
    const sums = new Map<string, bigint>()
    for (const { price, amount } of charges) sums.set(price, (sums.get(price) ?? 0n) + scaled(amount))
    const owed = [...sums].map(([price, sum]) => `${price} ${formatScaled(sum)}`)
    const told = /^\*\*Owed\*\*: (.*)\.$/m.exec(recipe)?.[1] ?? ''
    expect(owed.sort()).toEqual(told.split(', ').sort())
  })

test('the page has the recipes that are promised', () => {
  expect(recipes.length).toBeGreaterThanOrEqual(6)
})
