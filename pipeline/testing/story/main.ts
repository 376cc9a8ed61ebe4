// The story told in many ways: `node .cache/testing/pipeline/testing/story/main.js [--seeds 5] [--from 1]`. The run in order and each
// seed must come to the end that expected.ts works out by hand.

import { isDeepStrictEqual, parseArgs } from 'node:util'
import { type Disorder, disturbed, inOrder } from './disorder.js'
import type { End } from './end.js'
import { expected } from './expected.js'
import { play } from './play.js'
import { Systems } from './systems.js'

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '5' }, from: { type: 'string', default: '1' } },
})
const from = Number(values.from)
const seeds = Array.from({ length: Number(values.seeds) }, (_, n) => disturbed(from + n))
for (const disorder of [inOrder, ...seeds]) await tell(disorder)

async function tell(disorder: Disorder): Promise<void> {
  const systems = await Systems.start()
  try {
    const { end, seconds } = await play(systems, disorder)
    const isSame = isDeepStrictEqual(end, expected)
    console.log(disorder.name, JSON.stringify(seconds), isSame ? 'the end is right' : differencesOf(end))
    if (!isSame) process.exitCode = 1
  } finally {
    await systems.stop()
  }
}

/** Each part of the end that is not as expected. */
function differencesOf(end: End): string {
  const parts = Object.entries(end).filter(
    ([name, value]) => !isDeepStrictEqual(value, expected[name as keyof End]),
  )
  return JSON.stringify(Object.fromEntries(parts), null, 1)
}
