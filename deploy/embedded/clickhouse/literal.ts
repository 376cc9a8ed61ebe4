// Texts and names as ClickHouse's SQL writes them.

export function literal(text: string): string {
  return `'${escaped(text)}'`
}

export function quotedName(name: string): string {
  return `\`${escaped(name)}\``
}

function escaped(text: string): string {
  return text.replace(/[\\'`]/g, '\\$&')
}
