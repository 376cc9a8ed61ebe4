// One JSON text for a value, to be hashed with any tool. canonical-bytes.ts is for events: faster, and exact for numbers
// beyond doubles, which a value here does not have.

/** JSON with the keys of every object in the order of their UTF-16 code units, and no white space. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null)
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`
}
