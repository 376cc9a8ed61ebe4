// Splits the body of a webhook, an array of events, into the bytes of each, so that every event is kept as it came.

/** Undefined: it is no array of anything. Elements are not read. */
export function splitArray(body: Buffer): readonly Buffer[] | undefined {
  const parts: Buffer[] = []
  let [depth, from, isText] = [0, -1, false]
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at]!
    if (isText) {
      if (byte === 0x5c) at += 1
      else if (byte === 0x22) isText = false
      continue
    }
    if (depth === 0) {
      if (isSpace(byte)) continue
      if (byte !== 0x5b || from !== -1) return undefined
      depth = 1
      from = at + 1
      continue
    }
    if (byte === 0x22) isText = true
    else if (byte === 0x5b || byte === 0x7b) depth += 1
    else if (byte === 0x5d || byte === 0x7d) depth -= 1
    if (depth === 0 || (depth === 1 && byte === 0x2c)) {
      parts.push(trimmed(body.subarray(from, at)))
      from = at + 1
    }
  }
  const isWhole = depth === 0 && from !== -1 && !isText
  return isWhole && parts.every(part => part.length > 0) ? parts : undefined
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function trimmed(part: Buffer): Buffer {
  let [from, until] = [0, part.length]
  while (from < until && isSpace(part[from]!)) from += 1
  while (until > from && isSpace(part[until - 1]!)) until -= 1
  return part.subarray(from, until)
}
