// The limits and the relations between them.

import { expect, test } from 'vitest'
import { loadConfig } from './config.js'
import { limitsOfConfig, pipelineLimits } from './limits.js'

const around = { partitions: 4, maxPayload: 9 << 20 }

test('the default limits agree with each other for every number of partitions', () => {
  for (let partitions = 1; partitions <= 32; partitions += 1) {
    const { engine } = pipelineLimits({ ...around, partitions })
    expect(engine.pullBytes * partitions).toBeLessThanOrEqual(32 << 20)
  }
})

test('chunks are cut to what the broker takes, also where it takes the default of 1 MB', () => {
  const small = pipelineLimits({ partitions: 4, maxPayload: 1 << 20 })
  expect(small.core.outputChunkBytes * 2).toBeLessThanOrEqual(1 << 20)
  expect(small.engine.deltaChunkBytes).toBeLessThanOrEqual(1 << 20)
})

test('limits that contradict each other are refused by name', () => {
  const refuse = (engine: Parameters<typeof pipelineLimits>[1], reason: RegExp) =>
    expect(() => pipelineLimits(around, engine)).toThrow(reason)
  refuse({ engine: { batchMaxMessages: 1_001 } }, /1,000 messages a batch/)
  refuse({ engine: { prefetchBytes: 1 << 20 } }, /prefetchBytes must hold a pull/)
  refuse({ engine: { pullBytes: 16 << 20 } }, /must fit the connection/)
  refuse({ engine: { deltaChunkBytes: 9 << 20 } }, /must fit into max_payload/)
  refuse({ core: { parkedBytes: 1 << 20 } }, /pauses before the held overflow/)
  refuse({ engine: { lingerMs: 60_000 } }, /lingers less than a tick/)
  refuse({ engine: { commitMaxEvents: 0 } }, /commitMaxEvents must be above 0/)
  expect(() => pipelineLimits({ ...around, partitions: 33 })).toThrow(/1 to 32/)
})

test('every configuration within its bounds gives limits that agree', () => {
  const flags = { parked_bytes: 48 << 20, 'commit.linger_ms': 10_000, 'commit.max_events': 1, partitions: 32 }
  const loaded = loadConfig({ sections: [], env: {}, flags })
  if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems))
  const { engine, core } = limitsOfConfig(loaded.config, 1 << 20)
  expect(engine).toMatchObject({ commitMaxEvents: 1, lingerMs: 10_000 })
  expect(core).toMatchObject({ dedupeHorizonMs: 35 * 86_400_000, parkedBytes: 48 << 20 })
})
