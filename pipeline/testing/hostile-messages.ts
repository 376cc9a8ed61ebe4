// For tests: messages that a producer might send, whole or damaged, made from a seed.

const attributes = ['specversion', 'id', 'source', 'type', 'subject', 'time', 'data'] as const
const rare = [
  'correlationid',
  'traceparent',
  'subscriptionid',
  'datacontenttype',
  'data_base64',
  'dataschema',
  'weirstampedtime',
  'weirstampedtime',
  'x',
  '__proto__',
  '',
] as const
const keys = [
  'a',
  'b',
  'tokens',
  'region',
  'n',
  'é',
  '1',
  '__proto__',
  'constructor',
  '',
  'a_rather_long_key_of_many_words',
  'data',
]
const texts = [
  '',
  'x',
  'abc',
  'eu-west-1',
  'é',
  '€uro',
  '😀',
  'a'.repeat(255),
  'a'.repeat(257),
  '\u007f',
  '\u2028',
  'weir.',
  'weir',
  'weird',
  '1.0',
  '\ufeff',
]
const escapes = [
  '\\n',
  '\\"',
  '\\\\',
  '\\u0041',
  '\\ud800',
  '\\ud83d\\ude00',
  '\\u0000',
  '\\/',
  '\\u00E9',
  '\\u20ac\\t',
  '\\udc00',
  '\\ud83d\\u0041',
  '\\u12',
  '\\x',
  '\t',
  '\n',
  '\u0000',
]
const numbers = [
  '0',
  '-0',
  '1',
  '-1',
  '42',
  '0.5',
  '-0.25',
  '1.0',
  '1.50',
  '0.1',
  '1e3',
  '1E+2',
  '5e-324',
  '1e-400',
  '123456789012345',
  '1234567890123456',
  '9007199254740993',
  '0.000001',
  '0.0000001',
  '123456789.123456',
  '1234567890.1234567',
  '0.000000000000001',
  '1e21',
  '0e0',
  '9007199254740993.0',
  '900719925474099.3e1',
  '1234567890123456.789',
  '0.1000000000000000055',
  '1e400',
  '-1E+400',
  '1e-999999999',
  '12345678901234567890123456789012345678',
  '-0.0',
  '99999999999999999999',
  '0.30000000000000004',
  '2.5e-3',
]
const badNumbers = [
  '1e',
  '01',
  '-',
  '1.',
  '.5',
  '+1',
  '0x1',
  '1_0',
  'NaN',
  '-01',
  '1.e5',
  '1e+',
  '--1',
  '00',
  'Infinity',
]
const badLiterals = ['truex', 'nul', 'fals', 'True', 'undefined', '']
const times = [
  '2026-01-02T03:04:05Z',
  '2026-01-02T03:04:05.678Z',
  '2024-02-29T23:59:59.999999Z',
  '2026-02-29T00:00:00Z',
  '2026-01-02T03:04:60Z',
  '2026-01-02t03:04:05z',
  '2026-01-02T03:04:05+02:00',
  '1969-12-31T23:59:59.9-11:30',
  '2026-01-02T03:04:05.Z',
  '2026-13-01T00:00:00Z',
  '2026-01-02 03:04:05Z',
  '2026-01-02T03:04:05',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59.9Z',
  '2026-01-02T24:00:00Z',
  '2026-01-02T03:04:05+24:00',
  '2026-01-02T03:04:05+0200',
  '1900-02-29T00:00:00Z',
  '2026-01-02T03:04:05.1234567890123456789012345678901234567890Z',
  '2026-01-00T00:00:00Z',
  '2026-01-02T03:04:05-00:00',
]
const inserted = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\n',
  '\r\n',
  ' ',
  '\t',
  '0',
  '-',
  'e',
  '.',
  'null',
  'true',
  '\u0000',
  '\u000b',
  '\ufeff',
  '\u00a0',
  '\u2028',
  '"id":"y",',
  '"data":{},',
  '{"a":1}',
  'é',
  '😀',
  '\\u00e9',
  '//',
  "'",
  '\u001f',
  '\u007f',
]

/** Mulberry32. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** A whole number from 0 to `sides` - 1. */
  roll(sides: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let word = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word
    return ((word ^ (word >>> 14)) >>> 0) % sides
  }

  pick<T>(from: readonly T[]): T {
    return from[this.roll(from.length)]!
  }
}

/** A message whose events are mostly valid. */
export function anyMessage(dice: Dice): string {
  const events = Array.from({ length: dice.roll(5) }, () => anyEvent(dice))
  switch (dice.roll(6)) {
    case 0:
      return anyEvent(dice)
    case 1:
      return `${space(dice)}[${space(dice)}${events.join(`${space(dice)},${space(dice)}`)}]${space(dice)}`
    case 2:
      return `[${[...events, anyValue(dice, 0)].join(',')}]`
    case 3:
      return events
        .flatMap(event =>
          dice.roll(3) === 0
            ? [event, dice.pick(['', ' ', '\r', 'null', '[]', '{', event, '\u00a0'])]
            : [event],
        )
        .join('\n')
    default:
      return `${events.join(dice.pick(['\n', '\r\n', '\n\n']))}\n`
  }
}

/** The message with a few bytes changed, or unchanged. */
export function mutated(message: Uint8Array, dice: Dice): Uint8Array {
  let bytes = Buffer.from(message)
  for (let times = dice.roll(4); times > 0; times -= 1) {
    const at = dice.roll(bytes.length + 1)
    const length = dice.roll(8)
    const rest = bytes.subarray(at)
    switch (dice.roll(7)) {
      case 0:
        if (at < bytes.length) bytes[at]! ^= 1 << dice.roll(8)
        break
      case 1:
        bytes = Buffer.from(bytes.subarray(0, at))
        break
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), rest.subarray(length)])
        break
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), rest.subarray(0, length), rest])
        break
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([dice.roll(256)]), rest])
        break
      case 5: {
        const other = dice.roll(bytes.length + 1)
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(other, other + dice.roll(64)), rest])
        break
      }
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(dice.pick(inserted)), rest])
    }
  }
  return bytes
}

function anyEvent(dice: Dice): string {
  const members: string[] = attributes
    .filter(() => dice.roll(150) !== 0)
    .map(name => member(dice, name, dice.roll(150) === 0 ? anyValue(dice, 0) : usual(dice, name)))
  if (dice.roll(2) === 0) {
    const name = dice.pick(rare)
    members.push(
      member(
        dice,
        name,
        dice.roll(2) === 0
          ? text(dice)
          : name === 'data_base64'
            ? '"eyJhIjoxfQ=="'
            : name === 'weirstampedtime'
              ? dice.pick(['true', 'false', '"true"', 'truex', 'null'])
              : name === 'datacontenttype'
                ? '"application/json"'
                : anyValue(dice, 0),
      ),
    )
  }
  if (dice.roll(40) === 0) members.push(dice.pick(members) ?? '')
  if (dice.roll(3) === 0) members.sort(() => dice.roll(3) - 1)
  return `{${space(dice)}${members.join(`${space(dice)},${space(dice)}`)}${space(dice)}}`
}

function usual(dice: Dice, name: (typeof attributes)[number]): string {
  if (name === 'specversion') return '"1.0"'
  if (name === 'time') return `"${dice.roll(5) === 0 ? dice.pick(times) : times[dice.roll(3)]}"`
  if (name === 'data') return dice.roll(20) === 0 ? 'null' : anyObject(dice, 0)
  return dice.roll(12) === 0 ? text(dice) : `"${name}-${dice.roll(1000)}"`
}

function anyValue(dice: Dice, depth: number): string {
  switch (dice.roll(depth > 3 ? 6 : 9)) {
    case 0:
    case 1:
      return text(dice)
    case 2:
      return dice.pick(dice.roll(40) === 0 ? badNumbers : numbers)
    case 3:
      return String(dice.roll(100_000))
    case 4:
      return dice.pick(['true', 'false', 'null'])
    case 5:
      return dice.roll(20) > 0
        ? dice.pick(['{}', '[]'])
        : dice.roll(2) === 0
          ? nested(dice)
          : dice.pick(badLiterals)
    case 6:
      return `[${Array.from({ length: dice.roll(4) }, () => anyValue(dice, depth + 1)).join(`${space(dice)},`)}${space(dice)}]`
    default:
      return anyObject(dice, depth + 1)
  }
}

function anyObject(dice: Dice, depth: number): string {
  // Each key is the neighbour of the last one in a ring, so that a key seldom comes twice.
  const first = dice.roll(keys.length)
  const members = Array.from({ length: dice.roll(5) }, (_, i) => {
    const key = dice.roll(100) === 0 ? dice.pick(keys) : keys[(first + i * 5) % keys.length]!
    return member(dice, key, anyValue(dice, depth + 1))
  })
  return `{${space(dice)}${members.join(`${space(dice)},${space(dice)}`)}${space(dice)}}`
}

function member(dice: Dice, name: string, value: string): string {
  const key = dice.roll(60) === 0 ? escapedName(dice, name) : JSON.stringify(name)
  return `${key}${space(dice)}:${space(dice)}${value}`
}

/** The name with one of its characters written as an escape, mostly a correct one. */
function escapedName(dice: Dice, name: string): string {
  const at = dice.roll(Math.max(1, name.length))
  const code = dice.roll(8) === 0 ? dice.roll(0x10000) : name.charCodeAt(at) || 0x61
  const written = `\\u${code.toString(16).padStart(4, '0')}`
  return `${JSON.stringify(name.slice(0, at)).slice(0, -1)}${written}${JSON.stringify(name.slice(at + 1)).slice(1)}`
}

function nested(dice: Dice): string {
  const depth = 10 + dice.roll(60)
  return dice.roll(2) === 0
    ? `${'['.repeat(depth)}${']'.repeat(depth)}`
    : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
}

function text(dice: Dice): string {
  const parts = Array.from({ length: 1 + dice.roll(3) }, () =>
    dice.pick(dice.roll(25) === 0 ? escapes : texts),
  )
  return `"${parts.join('')}"`
}

function space(dice: Dice): string {
  if (dice.roll(15) > 0) return ''
  return dice.pick(dice.roll(20) === 0 ? ['\n', '\r\n', '\u00a0', '\u000b'] : [' ', '  ', '\t'])
}
