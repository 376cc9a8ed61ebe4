// `$filter` of OData as far as our connectors ask with it: comparisons and startswith, joined by `and`. As in
// Dynamics 365 Finance a text that ends with `*` stands for all that begin with it, and an enumeration has its type before it.

/** Throws for a filter or a field that it does not know. */
export function matchesFilter(filter: string, row: object): boolean {
  const fields = row as Readonly<Record<string, unknown>>
  return filter.split(' and ').every(one => {
    const [, field = '', text = ''] = /^startswith\((\w+),'(.*)'\)$/.exec(one) ?? []
    if (field !== '') return String(fields[field]).startsWith(text)
    const [, name = '', operator = '', value = ''] = /^(\w+) (eq|ge|le) (.+)$/.exec(one) ?? []
    if (!(name in fields)) throw new Error(`no filter on ${one}`)
    const [left, right] = [String(fields[name]), value.replace(/^[\w.]*'(.*)'$/, '$1').replaceAll("''", "'")]
    if (operator === 'eq' && right.endsWith('*')) return left.startsWith(right.slice(0, -1))
    return operator === 'eq' ? left === right : operator === 'ge' ? left >= right : left <= right
  })
}
