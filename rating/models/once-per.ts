// What is derived from an object that never changes (a price, a model), derived once and kept for as long as the object.

export function oncePer<K extends object, V extends {}>(derive: (from: K) => V): (from: K) => V {
  const known = new WeakMap<K, V>()
  return from => {
    let value = known.get(from)
    if (value === undefined) {
      value = derive(from)
      known.set(from, value)
    }
    return value
  }
}
